#include "log/replica.hpp"

namespace refresh_mv::replica {

int trigger_depth()
{
    return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, 0));
}

bool is_applying()
{
    return IsLogicalWorker() || pg::replication_origin() != 0;
}

bool is_amidst_rows()
{
    return IsLogicalWorker()
           || ((is_applying() || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
               && trigger_depth() > 1);
}

// The extension writes as the owner of its tables, with the user changed for the time
// being, as its SECURITY DEFINER functions do: tables.cpp.  Whoever applies rows does
// not.  Both are taken back by whatever ends the (sub)transaction.
bool is_sent()
{
    Oid user;
    int context;

    GetUserIdAndSecContext(&user, &context);
    return is_applying() && trigger_depth() == 1 && (context & SECURITY_LOCAL_USERID_CHANGE) == 0;
}

} // namespace refresh_mv::replica
