#include "api/result_rows.hpp"

#include "store/extension.hpp"
#include "store/statement.hpp"

namespace refresh_mv::result_rows {

void check_not_restricted(const char *command)
{
    if (InSecurityRestrictedOperation())
        ereport(ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                 errmsg("cannot execute %s within security-restricted operation", command)));
}

void check_may_write(const char *command)
{
    guard([&] {
        PreventCommandIfReadOnly(command);
        PreventCommandIfParallelMode(command);
        PreventCommandDuringRecovery(command);
        check_not_restricted(command);
        extension::check_version();
    });
}

bool may_commit(FunctionCallInfo fcinfo)
{
    return fcinfo->context && IsA(fcinfo->context, CallContext)
           && !reinterpret_cast<CallContext *>(fcinfo->context)->atomic;
}

// Where a setting can come from, as refresh_mv.skip_refresh is found there, and what
// switches refreshing on again.
struct Origin {
    const char *source; // in pg_settings
    const char *told;
    const char *remedy;
};

static const Origin origins[] = {
    {"session", "It was set in this session, or by another client of a pooler on the same connection.",
     "RESET refresh_mv.skip_refresh switches it off. Behind a pooler, set it with SET LOCAL."},
    {"client", "It was set when the session was opened, in PGOPTIONS for instance.",
     "SET refresh_mv.skip_refresh = off switches it off for this session."},
    {"database", "It was set for this database.", "ALTER DATABASE ... RESET refresh_mv.skip_refresh undoes that."},
    {"user", "It was set for this role.", "ALTER ROLE ... RESET refresh_mv.skip_refresh undoes that."},
    {"database user", "It was set for this role in this database.",
     "ALTER ROLE ... IN DATABASE ... RESET refresh_mv.skip_refresh undoes that."},
    {"global", "It was set for all roles.", "ALTER ROLE ALL RESET refresh_mv.skip_refresh undoes that."},
    {"configuration file", "It was set in the server's configuration.",
     "Remove it from postgresql.conf, or by ALTER SYSTEM RESET refresh_mv.skip_refresh."},
};

void warn_of_skipping()
{
    MemoryContext memory = CurrentMemoryContext;
    const Origin *origin = nullptr;

    SPI_connect();
    statement::execute("SELECT source FROM pg_catalog.pg_settings"
                    " WHERE name OPERATOR(pg_catalog.=) 'refresh_mv.skip_refresh'",
                    statement::Values(), SPI_OK_SELECT);
    const char *source = statement::returned_text(0, 1, memory);
    SPI_finish();
    for (const Origin &known : origins)
        if (strcmp(known.source, source) == 0)
            origin = &known;
    ereport(WARNING,
            (errmsg("Materialized views refresh skipped: refresh_mv.skip_refresh is on"),
             origin ? errdetail_internal("%s", origin->told)
                    : errdetail_internal("Its source is \"%s\".", source),
             errhint("%s", origin ? origin->remedy : "SET refresh_mv.skip_refresh = off")));
}

} // namespace refresh_mv::result_rows
