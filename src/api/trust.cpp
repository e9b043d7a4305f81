#include "api/trust.hpp"

#include "log/log_writer.hpp"
#include "log/touched.hpp"
#include "query/meaning.hpp"
#include "query/view.hpp"
#include "store/own_rows.hpp"
#include "store/trusted_functions.hpp"
#include "tracking/registry.hpp"

namespace refresh_mv::trust {

namespace {

struct Function {
    Oid owner;
    char volatility;
    char kind;
};

Function look_up(Oid oid)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(tuple))
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("function with OID %u does not exist", oid)));
    auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    Function function = {form->proowner, form->provolatile, form->prokind};
    ReleaseSysCache(tuple);
    return function;
}

// Whether the query of a view uses a function, itself or by way of an operator, an aggregate or a view.
bool uses(Oid view, Oid function)
{
    if (!ConditionalLockRelationOid(view, AccessShareLock))
        return false;
    bool found = false;
    if (get_rel_relkind(view) == RELKIND_MATVIEW) {
        Relation relation = table_open(view, NoLock);
        int count = 0;
        meaning::Object *objects = meaning::objects(relation, &count);
        for (int i = 0; i < count; i++)
            found |= objects[i].catalog == ProcedureRelationId && objects[i].oid == function;
        table_close(relation, NoLock);
    }
    UnlockRelationOid(view, AccessShareLock);
    return found;
}

// The materialized views whose owner's rights a role has.
List *views_of(Oid role)
{
    List *views = NIL;
    Relation catalog = table_open(RelationRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, nullptr, 0, nullptr);
    while (HeapTuple tuple = systable_getnext(scan)) {
        auto *form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
        if (form->relkind == RELKIND_MATVIEW && has_privs_of_role(role, form->relowner))
            views = lappend_oid(views, form->oid);
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return views;
}

bool used_in_view_of(Oid role, Oid function)
{
    ListCell *cell;
    foreach (cell, views_of(role))
        if (uses(lfirst_oid(cell), function))
            return true;
    return false;
}

void check_trustable(Oid oid, const Function &function)
{
    const char *name = format_procedure(oid);
    if (function.kind == PROKIND_PROCEDURE)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("%s is a procedure", name)));
    if (oid < FirstNormalObjectId)
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("function %s of PostgreSQL cannot be trusted", name),
                 errdetail("What functions of PostgreSQL depend on is known.")));
    if (!has_privs_of_role(GetUserId(), function.owner) && !used_in_view_of(GetUserId(), oid))
        ereport(ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to trust function %s", name),
                 errdetail("That is for its owner, and for owners of materialized views that use it.")));
}

// Tells what is taken for granted from now on.
void tell(Oid oid, const Function &function)
{
    const char *name = format_procedure(oid);
    if (function.kind != PROKIND_AGGREGATE && function.volatility == PROVOLATILE_IMMUTABLE)
        ereport(NOTICE, (errmsg("function %s is immutable, which says as much", name)));
    else
        ereport(NOTICE,
                (errmsg("function %s is taken as one whose result depends on its arguments alone", name),
                 errdetail("If it reads tables, settings or the time, refreshes do not notice when these change.")));
}

// Has the views be refreshed in full next that go by a trust which counts no longer.
void give_up_baselines(Oid function)
{
    List *views = NIL;
    ListCell *cell;
    own_rows::Scan scan = own_rows::begin("uses", own_rows::Under::newest_snapshot,
                                          {own_rows::is("classid", ProcedureRelationId), own_rows::is("objid", function)});
    while (own_rows::next(&scan))
        views = lappend_oid(views, own_rows::oid(scan, "view"));
    own_rows::end(&scan);
    foreach (cell, views) {
        Oid view = lfirst_oid(cell);
        if (trusted_functions::counts(function, view::owner(view)))
            continue;
        touched::note_meaning(view);
        log_writer::everything(view, psprintf("function %s is trusted no longer", format_procedure(function)));
    }
}

} // namespace

void give(Oid oid)
{
    Function function = look_up(oid);
    check_trustable(oid, function);
    trusted_functions::give(oid, GetUserId());
    tell(oid, function);
}

void take_back(Oid oid)
{
    look_up(oid);
    if (trusted_functions::take_back(oid, GetUserId()))
        give_up_baselines(oid);
    else
        ereport(NOTICE, (errmsg("function %s was not trusted by role \"%s\"", format_procedure(oid),
                                GetUserNameFromId(GetUserId(), false))));
}

} // namespace refresh_mv::trust
