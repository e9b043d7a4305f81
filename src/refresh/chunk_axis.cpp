#include "refresh/chunk_axis.hpp"

#include "query/ephemeral_rows.hpp"
#include "query/query.hpp"
#include "refresh/date_window.hpp"

namespace refresh_mv {

namespace {

// ---- the column ----

// The first column of a unique index of a view by which its query can be restricted; 0 if there is none.
AttrNumber key_column(Relation view)
{
    List *indexes = RelationGetIndexList(view);
    AttrNumber found = InvalidAttrNumber;
    ListCell *cell;

    foreach (cell, indexes) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        Form_pg_index form = index->rd_index;
        AttrNumber column = form->indkey.values[0];
        bool usable = form->indisunique && form->indisvalid && RelationGetIndexPredicate(index) == NIL && column > 0
                      && index->rd_rel->relam == BTREE_AM_OID && shape::pushable(query::stored(view), column);
        index_close(index, NoLock);
        if (usable && found == InvalidAttrNumber)
            found = column;
    }
    return found;
}

ChunkAxis axis_of(Relation view, AttrNumber column, bool dated)
{
    Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(view), column - 1);
    return {column, getBaseType(attribute->atttypid), attribute->attcollation, dated};
}

[[noreturn]] void no_axis(Relation view, const char *detail, const char *hint)
{
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("materialized view \"%s\" cannot be refreshed in chunks", RelationGetRelationName(view)),
             errdetail_internal("%s", detail), errhint("%s", hint)));
    pg_unreachable();
}

// ---- conditions ----

// The column of the view, as the operators of its type take it.
Expr *operand(Relation view, const ChunkAxis &axis, Oid input)
{
    Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(view), axis.column - 1);
    auto *var = reinterpret_cast<Expr *>(
        makeVar(1, axis.column, attribute->atttypid, attribute->atttypmod, attribute->attcollation, 0));
    Oid type = IsPolymorphicType(input) ? axis.type : input;
    if (attribute->atttypid == type)
        return var;
    return reinterpret_cast<Expr *>(makeRelabelType(var, type, -1, axis.collation, COERCE_IMPLICIT_CAST));
}

// The column compared with a value.
Node *comparison(Relation view, const ChunkAxis &axis, StrategyNumber strategy, Datum value)
{
    TypeCacheEntry *cache = lookup_type_cache(axis.type, TYPECACHE_BTREE_OPFAMILY);
    Oid input = cache->btree_opintype;
    Oid op = get_opfamily_member(cache->btree_opf, input, input, strategy);
    Oid type = IsPolymorphicType(input) ? axis.type : input;
    auto *bound = reinterpret_cast<Expr *>(
        makeConst(type, -1, axis.collation, cache->typlen, value, false, cache->typbyval));
    Expr *clause = make_opclause(op, BOOLOID, false, operand(view, axis, input), bound, InvalidOid, axis.collation);
    set_opfuncid(reinterpret_cast<OpExpr *>(clause));
    return reinterpret_cast<Node *>(clause);
}

Node *null_test(Relation view, const ChunkAxis &axis, NullTestType type)
{
    NullTest *test = makeNode(NullTest);
    test->arg = operand(view, axis, axis.type);
    test->nulltesttype = type;
    test->location = -1;
    return reinterpret_cast<Node *>(test);
}

// ---- values ----

bool is_finite(const ChunkAxis &axis, Datum value)
{
    int64 number = date_window::ordinal(axis.type, value);
    return axis.type == DATEOID ? number != DATEVAL_NOBEGIN && number != DATEVAL_NOEND
                                : number != DT_NOBEGIN && number != DT_NOEND;
}

Datum infinity(const ChunkAxis &axis, bool negative)
{
    if (axis.type == DATEOID)
        return DateADTGetDatum(negative ? DATEVAL_NOBEGIN : DATEVAL_NOEND);
    return TimestampGetDatum(negative ? DT_NOBEGIN : DT_NOEND);
}

// Column n of the first row; not set if there is none, or it is null.
ChunkBound value_of(const ChunkAxis &axis, const NamedRows &rows, int column)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(rows.desc, &TTSOpsMinimalTuple);
    ChunkBound bound{};
    bool null = true;
    tuplestore_rescan(rows.rows);
    if (tuplestore_gettupleslot(rows.rows, true, false, slot)) {
        Datum value = slot_getattr(slot, column, &null);
        TypeCacheEntry *type = lookup_type_cache(axis.type, 0);
        if (!null)
            bound = {true, type->typbyval ? value
                           : type->typlen == -1
                               ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value))
                               : datumCopy(value, false, type->typlen)};
    }
    ExecDropSingleTupleTableSlot(slot);
    return bound;
}

const char *column_name(Relation view, const ChunkAxis &axis)
{
    return quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(view), axis.column - 1)->attname));
}

// The value that so many rows of the view have values at least as great as, of those that satisfy a condition.
ChunkBound held_value(Relation view, const ChunkAxis &axis, Node *condition, int64 row)
{
    const char *name = column_name(view, axis);
    const char *from = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view)),
                                                  RelationGetRelationName(view));
    Query *query = query::unchecked(psprintf("SELECT v.%s FROM %s v ORDER BY v.%s DESC OFFSET " INT64_FORMAT " LIMIT 1",
                                             name, from, name, row - 1));
    query->jointree->quals = condition;
    NamedRows rows = ephemeral_rows::result_of(query, "refresh_mv_value", nullptr);
    ChunkBound bound = value_of(axis, rows, 1);
    ephemeral_rows::release(&rows);
    return bound;
}

// ---- chunks by time ----

// The finite dates below a bound.
Node *finite_below(Relation view, const ChunkAxis &axis, ChunkBound below, Node *kept)
{
    Node *condition = comparison(view, axis, BTGreaterStrategyNumber, infinity(axis, true));
    Node *end = comparison(view, axis, BTLessStrategyNumber, below.set ? below.value : infinity(axis, false));
    return make_and_qual(static_cast<Node *>(copyObjectImpl(kept)), make_and_qual(condition, end));
}

// Looks for the greatest and the least such date among what the query returns.
ChunkBound look_beyond(const OpenView &view, const ChunkAxis &axis, ChunkBound below, Node *kept, ChunkHorizon *horizon)
{
    Query *fresh = query::rewritten(view.relation);
    fresh = query::select_fresh(view.relation, fresh, finite_below(view.relation, axis, below, kept));
    const char *name = column_name(view.relation, axis);
    QueryEnvironment *environment = create_queryEnv();
    Query *query = ephemeral_rows::over(
        psprintf("SELECT pg_catalog.max(f.%s::%s), pg_catalog.min(f.%s::%s) FROM refresh_mv_rows f", name,
                 format_type_be_qualified(axis.type), name, format_type_be_qualified(axis.type)),
        "refresh_mv_rows", fresh, environment);
    NamedRows rows = ephemeral_rows::result_of(query, "refresh_mv_dates", nullptr);
    ChunkBound greatest = value_of(axis, rows, 1);
    ChunkBound least = value_of(axis, rows, 2);
    ephemeral_rows::release(&rows);
    *horizon = {true, least.set, least.set ? date_window::ordinal(axis.type, least.value) : 0};
    return greatest;
}

// A value some time before another.
Datum before(const ChunkAxis &axis, Datum value, const Interval &span)
{
    Datum time = IntervalPGetDatum(&span);
    if (axis.type == TIMESTAMPTZOID)
        return DirectFunctionCall2(timestamptz_mi_interval, value, time);
    if (axis.type == TIMESTAMPOID)
        return DirectFunctionCall2(timestamp_mi_interval, value, time);
    value = DirectFunctionCall2(date_mi_interval, value, time);
    return DirectFunctionCall1(timestamp_date, value);
}

// The start of the month or the day that a value is in, as suits the length of chunks.
Datum rounded(const ChunkAxis &axis, Datum value, const Interval &span)
{
    if (span.month == 0 && span.day == 0 && span.time < USECS_PER_DAY)
        return value;
    Datum unit = CStringGetTextDatum(span.month != 0 ? "month" : "day");
    if (axis.type == TIMESTAMPTZOID)
        return DirectFunctionCall2(timestamptz_trunc, unit, value);
    if (axis.type == TIMESTAMPOID)
        return DirectFunctionCall2(timestamp_trunc, unit, value);
    value = DirectFunctionCall2(timestamp_trunc, unit, DirectFunctionCall1(date_timestamp, value));
    return DirectFunctionCall1(timestamp_date, value);
}

// Where a chunk by time begins; below is not set for the first one.  No chunk is made for a time of which there are no rows.
ChunkBound begin_by_time(const OpenView &view, const ChunkAxis &axis, const ChunkSize &size, ChunkBound below,
                         Node *kept, ChunkHorizon *horizon)
{
    ChunkBound greatest = held_value(view.relation, axis, finite_below(view.relation, axis, below, kept), 1);
    if (!greatest.set && !horizon->known)
        greatest = look_beyond(view, axis, below, kept, horizon);
    if (!greatest.set
        && (!below.set || !horizon->any || date_window::ordinal(axis.type, below.value) <= horizon->least))
        return {};
    ChunkBound from{};
    if (below.set)
        from = {true, before(axis, below.value, size.span)};
    bool empty = greatest.set && below.set
                 && date_window::ordinal(axis.type, greatest.value) < date_window::ordinal(axis.type, from.value);
    if (!below.set || empty)
        from = {true, rounded(axis, before(axis, greatest.value, size.span), size.span)};
    if (!is_finite(axis, from.value))
        return {};
    return from;
}

} // namespace

namespace chunk_axis {

ChunkAxis of(const OpenView &view, const ChunkSize &size)
{
    if (view.window.attno != 0)
        return axis_of(view.relation, view.window.attno, true);
    if (size.rows == 0)
        no_axis(view.relation, psprintf("For this view %s.", view.window.reason),
                "Give a number of rows as the chunk, such as '100000', or set the view's date_column by"
                " refresh_mv.configure().");
    AttrNumber column = key_column(view.relation);
    if (column == InvalidAttrNumber)
        no_axis(view.relation,
                "It has neither a date column nor a unique index that begins with a column by which its query can be"
                " restricted.",
                "Create such a unique index on the view, or refresh it without chunks.");
    return axis_of(view.relation, column, false);
}

Node *condition(Relation view, const ChunkAxis &axis, const ChunkPart &part)
{
    Node *values = nullptr;
    if (part.values && part.nulls && !part.from.set && !part.below.set)
        return nullptr;
    if (part.values && part.from.set)
        values = comparison(view, axis, BTGreaterEqualStrategyNumber, part.from.value);
    if (part.values && part.below.set)
        values = make_and_qual(values, comparison(view, axis, BTLessStrategyNumber, part.below.value));
    if (part.values && values == nullptr)
        values = null_test(view, axis, IS_NOT_NULL);
    if (!part.nulls)
        return values != nullptr ? values : makeBoolConst(false, false);
    Node *nulls = null_test(view, axis, IS_NULL);
    return values == nullptr ? nulls
                             : reinterpret_cast<Node *>(makeBoolExpr(OR_EXPR, list_make2(values, nulls), -1));
}

void narrow(Query *query, const ChunkAxis &axis, const ChunkPart &part)
{
    if (!axis.dated || part.nulls || !part.values)
        return;
    const ChunkBound &from = part.from;
    const ChunkBound &below = part.below;
    date_window::add_implied_ranges(query, {axis.column, axis.type, nullptr},
                                    from.set && is_finite(axis, from.value) ? &from.value : nullptr,
                                    below.set && is_finite(axis, below.value) ? &below.value : nullptr);
}

ChunkBound next(const OpenView &view, const ChunkAxis &axis, const ChunkSize &size, ChunkBound below, Node *kept,
                ChunkHorizon *horizon)
{
    ChunkBound from{};
    if (size.rows == 0)
        from = begin_by_time(view, axis, size, below, kept, horizon);
    else
        from = held_value(view.relation, axis,
                          make_and_qual(static_cast<Node *>(copyObjectImpl(kept)),
                                        condition(view.relation, axis, {true, {}, below, false})),
                          size.rows);
    if (from.set && below.set && size.rows == 0
        && date_window::ordinal(axis.type, from.value) >= date_window::ordinal(axis.type, below.value))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("chunks of such a length have no end"),
                 errdetail_internal("The chunk before %s would begin at %s.", text(axis, below), text(axis, from)),
                 errhint("Give an interval that is positive, such as '1 month', and of at least a day for a view by day.")));
    return from;
}

bytea *sent(const ChunkAxis &axis, ChunkBound bound)
{
    Oid send;
    bool varlena;
    if (!bound.set)
        return nullptr;
    getTypeBinaryOutputInfo(axis.type, &send, &varlena);
    return OidSendFunctionCall(send, bound.value);
}

const char *text(const ChunkAxis &axis, ChunkBound bound)
{
    Oid output;
    bool varlena;
    if (!bound.set)
        return nullptr;
    getTypeOutputInfo(axis.type, &output, &varlena);
    return OidOutputFunctionCall(output, bound.value);
}

ChunkBound received(const ChunkAxis &axis, bytea *value)
{
    Oid receive, parameter;
    StringInfoData data;
    if (value == nullptr)
        return {};
    getTypeBinaryInputInfo(axis.type, &receive, &parameter);
    initStringInfo(&data);
    appendBinaryStringInfo(&data, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
    return {true, OidReceiveFunctionCall(receive, &data, parameter, -1)};
}

} // namespace chunk_axis

} // namespace refresh_mv
