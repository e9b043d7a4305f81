#include "calls.hpp"

#include "catalog.hpp"

namespace calls {

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
        catalog::check_version();
    });
}

bool may_commit(FunctionCallInfo fcinfo)
{
    return fcinfo->context && IsA(fcinfo->context, CallContext)
           && !reinterpret_cast<CallContext *>(fcinfo->context)->atomic;
}

} // namespace calls
