#include "server/session_state.hpp"

namespace refresh_mv::session_state {

namespace {

// Who a session is, before its libraries and its settings, each as core writes them for parallel workers.
struct Identity {
    Oid database;
    Oid login;
    Oid session;
    Oid role; // InvalidOid: none was set
    Oid user;
    bool session_is_superuser;
    bool role_is_superuser;
    Size libraries;
    Size settings;
};

Identity identity()
{
    Identity own = {};
    own.database = MyDatabaseId;
    own.login = GetAuthenticatedUserId();
    own.session = GetSessionUserId();
    own.role = GetCurrentRoleId();
    own.user = GetUserId();
    own.session_is_superuser = GetSessionUserIsSuperuser();
    own.role_is_superuser = superuser_arg(OidIsValid(own.role) ? own.role : own.session);
    own.libraries = MAXALIGN(EstimateLibraryStateSpace());
    own.settings = MAXALIGN(EstimateGUCStateSpace());
    return own;
}

// Libraries first: they define settings.
void load_libraries(char *libraries)
{
    StartTransactionCommand();
    RestoreLibraryState(libraries);
    CommitTransactionCommand();
}

// The checks of the settings "role" and "session_authorization" take what is there already.
void restore_settings(const Identity &session, char *settings)
{
    StartTransactionCommand();
    SetSessionAuthorization(session.session, session.session_is_superuser);
    SetCurrentRoleId(session.role, session.role_is_superuser);
    InitializingParallelWorker = true;
    RestoreGUCState(settings);
    InitializingParallelWorker = false;
    // In older versions the setting "session_authorization" has put the role back.
    SetCurrentRoleId(session.role, session.role_is_superuser);
    SetUserIdAndSecContext(session.user, 0);
    // Messages go to the session, which passes them on in the client's encoding.
    SetClientEncoding(GetDatabaseEncoding());
    CommitTransactionCommand();
}

} // namespace

Size size()
{
    Identity own = identity();
    return MAXALIGN(sizeof(Identity)) + own.libraries + own.settings;
}

void write(char *space)
{
    Identity own = identity();
    memcpy(space, &own, sizeof(own));
    space += MAXALIGN(sizeof(Identity));
    SerializeLibraryState(own.libraries, space);
    SerializeGUCState(own.settings, space + own.libraries);
}

void take_over(const char *space)
{
    Identity session;
    memcpy(&session, space, sizeof(session));
    char *libraries = const_cast<char *>(space) + MAXALIGN(sizeof(Identity));
    pg::connect_worker(session.database, session.login);
    load_libraries(libraries);
    restore_settings(session, libraries + session.libraries);
}

} // namespace refresh_mv::session_state
