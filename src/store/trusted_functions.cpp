#include "store/trusted_functions.hpp"

#include "store/own_rows.hpp"
#include "store/statement.hpp"

namespace refresh_mv::trusted_functions {

namespace {

Oid owner_of(Oid function)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple))
        return InvalidOid;
    Oid owner = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->proowner;
    ReleaseSysCache(tuple);
    return owner;
}

bool has_rights(const char *role_name, Oid owner)
{
    Oid role = get_role_oid(role_name, true);
    return OidIsValid(role) && OidIsValid(owner) && has_privs_of_role(role, owner);
}

// The rows of a function.
own_rows::Scan rows_of(const char *function)
{
    return own_rows::begin("trusted", own_rows::Under::newest_snapshot, {own_rows::is("function", function)});
}

} // namespace

char *identity(Oid function)
{
    return format_procedure_qualified(function);
}

bool counts(Oid function, Oid view_owner)
{
    if (function < FirstNormalObjectId)
        return false;
    bool found = false;
    own_rows::Scan scan = rows_of(identity(function));
    while (!found && own_rows::next(&scan)) {
        const char *role = own_rows::string(scan, "trusted_by");
        found = has_rights(role, owner_of(function)) || has_rights(role, view_owner);
    }
    own_rows::end(&scan);
    return found;
}

bool give(Oid function, Oid role)
{
    statement::Values values;
    SPI_connect();
    uint64 given = statement::change("trusted",
                                     "SELECT NULL::pg_catalog.tid, $1 AS function, $2 AS trusted_by"
                                     " WHERE NOT EXISTS (SELECT FROM refresh_mv.trusted"
                                     " WHERE function OPERATOR(pg_catalog.=) $1 AND trusted_by OPERATOR(pg_catalog.=) $2)",
                                     values.text(identity(function)).text(GetUserNameFromId(role, false)));
    SPI_finish();
    return given > 0;
}

bool take_back(Oid function, Oid role)
{
    statement::Values values;
    SPI_connect();
    uint64 taken = statement::change("trusted",
                                     "SELECT t.ctid FROM refresh_mv.trusted t"
                                     " LEFT JOIN pg_catalog.pg_roles r ON r.rolname OPERATOR(pg_catalog.=) t.trusted_by::pg_catalog.name"
                                     " WHERE t.function OPERATOR(pg_catalog.=) $1"
                                     " AND coalesce(pg_catalog.pg_has_role($2, r.oid, 'USAGE'), $3) FOR UPDATE OF t",
                                     values.text(identity(function)).oid(role).boolean(superuser_arg(role)));
    SPI_finish();
    return taken > 0;
}

} // namespace refresh_mv::trusted_functions
