#include "refresh/make_way.hpp"

#include "query/ephemeral_rows.hpp"
#include "tracking/net_changes.hpp"

namespace refresh_mv {

namespace {

constexpr char fresh_rows[] = "refresh_mv_fresh";

// "the columns of the index are the same in v and f", for an index over plain columns; null for others.
const char *same_key(Relation view, Relation index)
{
    Form_pg_index form = index->rd_index;
    StringInfoData text;

    if (!form->indisunique || !form->indisvalid || RelationGetIndexPredicate(index) != NIL
        || RelationGetIndexExpressions(index) != NIL)
        return nullptr;
    initStringInfo(&text);
    for (int i = 0; i < form->indnkeyatts; i++) {
        Form_pg_attribute column = TupleDescAttr(RelationGetDescr(view), form->indkey.values[i] - 1);
        const char *name = quote_identifier(NameStr(column->attname));
        Oid op = get_opfamily_member(index->rd_opfamily[i], index->rd_opcintype[i], index->rd_opcintype[i],
                                     BTEqualStrategyNumber);
        if (op != lookup_type_cache(column->atttypid, TYPECACHE_EQ_OPR)->eq_opr)
            return nullptr;
        appendStringInfo(&text, "%s(v.%s %s f.%s", i > 0 ? " AND " : "", name,
                         net_changes::equality(column->atttypid), name);
        if (form->indnullsnotdistinct)
            appendStringInfo(&text, " OR (v.%s IS NULL AND f.%s IS NULL)", name, name);
        appendStringInfoString(&text, ")");
    }
    return text.data;
}

// "v has the unique key of f", by any of the view's indexes; null if it has none of that kind.
const char *same_any_key(Relation view)
{
    StringInfoData text;
    List *indexes = RelationGetIndexList(view);
    ListCell *cell;

    initStringInfo(&text);
    foreach (cell, indexes) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        const char *same = same_key(view, index);
        if (same != nullptr)
            appendStringInfo(&text, "%sEXISTS (SELECT FROM %s f WHERE %s)", text.len > 0 ? " OR " : "", fresh_rows, same);
        index_close(index, NoLock);
    }
    return text.len > 0 ? text.data : nullptr;
}

// The columns of v, after its place or before a sign.
const char *columns_of(Relation view, bool with_tid, const char *sign)
{
    StringInfoData text;
    TupleDesc desc = RelationGetDescr(view);
    initStringInfo(&text);
    appendStringInfoString(&text, with_tid ? "v.ctid" : "");
    for (int i = 0; i < desc->natts; i++)
        appendStringInfo(&text, "%sv.%s", text.len > 0 ? ", " : "", quote_identifier(NameStr(TupleDescAttr(desc, i)->attname)));
    appendStringInfoString(&text, sign);
    return text.data;
}

// The rows of the view that may go and are in the way.
Query *in_the_way(Relation view, const char *columns, const char *same, Node *may_go, QueryEnvironment *environment)
{
    Query *query = query::unchecked(psprintf("SELECT %s FROM %s v WHERE %s", columns,
                                             quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view)),
                                                                        RelationGetRelationName(view)),
                                             same),
                                    environment);
    query->jointree->quals = make_and_qual(query->jointree->quals, static_cast<Node *>(copyObjectImpl(may_go)));
    return query;
}

// Both sides with the rows that are in the way.  Where the fresh side has signs, these are rows lost.
Sides widened(Relation view, const Sides &sides, const char *same, Node *may_go)
{
    bool with_sign = ExecCleanTargetListLength(sides.fresh->targetList) > RelationGetDescr(view)->natts;
    QueryEnvironment *environment = sides.environment != nullptr ? sides.environment : create_queryEnv();
    ephemeral_rows::show(environment, ephemeral_rows::result_of(sides.fresh, fresh_rows, environment));
    Query *fresh = query::unchecked(psprintf("SELECT f.* FROM %s f", fresh_rows), environment);
    Query *held = ephemeral_rows::union_all(
        "refresh_mv_held",
        list_make2(sides.held, in_the_way(view, columns_of(view, true, ""), same, may_go, environment)), environment);
    if (with_sign)
        fresh = ephemeral_rows::union_all(
            "refresh_mv_signed",
            list_make2(fresh, in_the_way(view, columns_of(view, false, ", -1"), same, may_go, environment)),
            environment);
    return {held, fresh, environment};
}

bool try_merge(const OpenView &view, const Sides &sides, Method method, Merged *merged)
{
    return without_conflict([&] { *merged = merge_sides(view, sides, method, false); });
}

Sides copy_of(const Sides &sides)
{
    return {static_cast<Query *>(copyObjectImpl(sides.held)), static_cast<Query *>(copyObjectImpl(sides.fresh)),
            sides.environment};
}

} // namespace

bool make_way::merge(const OpenView &view, const Sides &sides, Method method, Node *may_go, Merged *merged)
{
    const char *same = nullptr;
    Sides first{};
    guard([&] {
        same = may_go == nullptr ? nullptr : same_any_key(view.relation);
        first = copy_of(sides); // planning changes queries
    });
    if (try_merge(view, first, method, merged))
        return true;
    if (same == nullptr)
        return false;
    Sides wide = guard([&] { return widened(view.relation, sides, same, may_go); });
    bool done = try_merge(view, wide, method, merged);
    guard([&] {
        if (sides.environment == nullptr)
            ephemeral_rows::release_all(wide.environment);
    });
    return done;
}

} // namespace refresh_mv
