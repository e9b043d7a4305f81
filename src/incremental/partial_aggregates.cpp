#include "incremental/partial_aggregates.hpp"

#include "query/ambiguity.hpp"
#include "tracking/source.hpp"
#include "values/equality.hpp"

namespace refresh_mv {

namespace {

void object(GroupShape *shape, const char *obstacle)
{
    if (shape->obstacle == nullptr)
        shape->obstacle = obstacle;
}

int add(GroupShape *shape, PartialKind kind, Expr *aggregate, Oid type, Oid collation = InvalidOid)
{
    if (shape->npartials == partial_aggregates::most) {
        object(shape, "it has too many aggregates");
        return 1;
    }
    shape->partials[shape->npartials] = {kind, aggregate, nullptr, nullptr, type, collation, InvalidOid};
    return ++shape->npartials;
}

// The aggregate, computed by another function of the same arguments.
Aggref *with_function(Aggref *original, Oid function, Oid type)
{
    auto *aggregate = static_cast<Aggref *>(copyObjectImpl(original));
    aggregate->aggfnoid = function;
    aggregate->aggtype = type;
    aggregate->aggtranstype = InvalidOid;
    aggregate->aggcollid = InvalidOid;
    aggregate->aggdistinct = NIL;
    return aggregate;
}

Expr *as_type(Aggref *aggregate, Oid type)
{
    return reinterpret_cast<Expr *>(
        coerce_to_target_type(nullptr, reinterpret_cast<Node *>(aggregate), aggregate->aggtype, type, -1,
                              COERCION_EXPLICIT, COERCE_EXPLICIT_CAST, -1));
}

// Restricts an aggregate to the rows with a condition, of which it takes a copy.
void add_filter(Aggref *aggregate, Expr *condition)
{
    auto *filter = static_cast<Expr *>(copyObjectImpl(condition));
    aggregate->aggfilter = aggregate->aggfilter
                               ? reinterpret_cast<Expr *>(make_andclause(list_make2(aggregate->aggfilter, filter)))
                               : filter;
}

int add_count(GroupShape *shape, Aggref *aggregate)
{
    return add(shape, PartialKind::count,
               reinterpret_cast<Expr *>(with_function(aggregate, F_COUNT_ANY, INT8OID)), INT8OID);
}

// The argument of an aggregate of one.
Expr *argument(Aggref *aggregate)
{
    return linitial_node(TargetEntry, aggregate->args)->expr;
}

Oid argument_type(Aggref *aggregate)
{
    return list_length(aggregate->aggargtypes) == 1 ? linitial_oid(aggregate->aggargtypes) : InvalidOid;
}

// An aggregate of refresh_mv_internal, a schema that the view's owner may not use.
Oid own_aggregate(const char *name, Oid type)
{
    Oid types[] = {type};
    return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                           PointerGetDatum(buildoidvector(types, 1)),
                           ObjectIdGetDatum(get_namespace_oid("refresh_mv_internal", false)));
}

// sum and avg of numeric.
const char *of_numeric(GroupShape *shape, Aggref *aggregate, bool average)
{
    Aggref *sum = with_function(aggregate, own_aggregate("exact_sum", NUMERICOID), NUMERICARRAYOID);
    return psprintf("refresh_mv_internal.exact_%s(s.p%d)", average ? "average" : "total",
                    add(shape, PartialKind::exact, reinterpret_cast<Expr *>(sum), NUMERICARRAYOID));
}

Oid sum_function(Oid type)
{
    return type == INT2OID ? F_SUM_INT2 : type == INT4OID ? F_SUM_INT4 : F_SUM_INT8;
}

// sum and avg of whole numbers, by the sum and the count.
const char *of_integers(GroupShape *shape, Aggref *aggregate, bool average)
{
    Oid type = argument_type(aggregate);
    Oid sum_type = type == INT8OID ? NUMERICOID : INT8OID;
    int sum = add(shape, PartialKind::sum,
                  as_type(with_function(aggregate, sum_function(type), sum_type), NUMERICOID), NUMERICOID);
    int count = add_count(shape, aggregate);
    const char *total = average             ? psprintf("s.p%d / s.p%d::pg_catalog.numeric", sum, count)
                        : sum_type == INT8OID ? psprintf("s.p%d::pg_catalog.int8", sum)
                                              : psprintf("s.p%d", sum);
    return psprintf("CASE WHEN s.p%d > 0 THEN %s END", count, total);
}

// Sums of intervals and of money are exact too.
const char *exact_sum(GroupShape *shape, Aggref *aggregate)
{
    int sum = add(shape, PartialKind::sum, reinterpret_cast<Expr *>(aggregate), aggregate->aggtype);
    return psprintf("CASE WHEN s.p%d > 0 THEN s.p%d END", add_count(shape, aggregate), sum);
}

// bool_and and bool_or, by how many values there are and how many are true.
const char *of_booleans(GroupShape *shape, Aggref *aggregate, bool all)
{
    int count = add_count(shape, aggregate);
    Aggref *trues = with_function(aggregate, F_COUNT_ANY, INT8OID);
    add_filter(trues, argument(aggregate));
    int count_true = add(shape, PartialKind::count, reinterpret_cast<Expr *>(trues), INT8OID);
    return all ? psprintf("CASE WHEN s.p%d > 0 THEN s.p%d = s.p%d END", count, count_true, count)
               : psprintf("CASE WHEN s.p%d > 0 THEN s.p%d > 0 END", count, count_true);
}

// Whether a value determines that of the anchor: it is the anchor, or the key of
// an anchored table.
bool determines_anchor(Query *query, const Anchoring &anchoring, Expr *value)
{
    ListCell *cell;
    if (!IsA(value, Var))
        return false;
    auto *var = reinterpret_cast<Var *>(value);
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        if (instance->query != query || instance->rti != static_cast<Index>(var->varno)
            || instance->anchor == 0 || var->varlevelsup != 0)
            continue;
        Relation table = table_open(instance->relation, AccessShareLock);
        TrackingKey key = source::key(table);
        table_close(table, NoLock);
        return instance->anchor == var->varattno || (key.count == 1 && key.columns[0] == var->varattno);
    }
    return false;
}

// count(DISTINCT value).  Where a value occurs with one anchor only, parts can be
// counted each for itself.
const char *distinct_count(GroupShape *shape, Query *query, const Anchoring &anchoring, Aggref *aggregate)
{
    auto *value = reinterpret_cast<Expr *>(
        pg::flatten(query, static_cast<Node *>(copyObjectImpl(argument(aggregate)))));
    Oid equality = linitial_node(SortGroupClause, aggregate->aggdistinct)->eqop;
    if (!equality::is_plain(equality, value)) {
        object(shape, "it counts distinct values of a type without a hash function of its own");
        return "0";
    }
    bool members = determines_anchor(query, anchoring, value);
    int number = members ? add(shape, PartialKind::members, reinterpret_cast<Expr *>(aggregate), INT8OID)
                         : add(shape, PartialKind::values, nullptr, INT8OID);
    PartialAggregate *partial = &shape->partials[number - 1];
    partial->value = value;
    partial->filter = aggregate->aggfilter;
    partial->equality = equality;
    return psprintf("s.p%d", number);
}

// "NULL::type", with the collation of a list of extremes.
char *null_of(Aggref *aggregate)
{
    HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(aggregate->aggcollid));
    char *null = psprintf("NULL::%s", format_type_be_qualified(aggregate->aggtype));
    if (!HeapTupleIsValid(tuple))
        return null;
    auto *form = reinterpret_cast<Form_pg_collation>(GETSTRUCT(tuple));
    const char *name = quote_qualified_identifier(get_namespace_name(form->collnamespace), NameStr(form->collname));
    ReleaseSysCache(tuple);
    return psprintf("%s COLLATE %s", null, name);
}

// min and max, of which DISTINCT changes nothing: by a list of extremes, if a value looks the same when
// it comes and when it goes.
const char *extreme(GroupShape *shape, Query *query, Aggref *original, PartialKind kind)
{
    if (ambiguity::is_settled(query, argument(original))) {
        const char *name = kind == PartialKind::smallest ? "smallest" : "largest";
        Aggref *list = with_function(original, own_aggregate(name, ANYELEMENTOID), BYTEAOID);
        int number = add(shape, PartialKind::extremes, reinterpret_cast<Expr *>(list), BYTEAOID);
        return psprintf("refresh_mv_internal.outermost(s.p%d, %s)", number, null_of(original));
    }
    auto *aggregate = static_cast<Aggref *>(copyObjectImpl(original));
    aggregate->aggdistinct = NIL;
    return psprintf("s.p%d", add(shape, kind, reinterpret_cast<Expr *>(aggregate), aggregate->aggtype,
                                 exprCollation(reinterpret_cast<Node *>(aggregate))));
}

// Whether the smallest and the largest of a type are found by its own operators, and
// those that are equal have the same bytes (or it may be any of them, as of numeric).
bool has_extremes(Aggref *aggregate)
{
    Oid type = aggregate->aggtype;
    bool own = type < FirstGenbkiObjectId && get_typtype(type) == TYPTYPE_BASE && !type_is_array(type);
    return (own || get_typtype(type) == TYPTYPE_ENUM)
           && OidIsValid(lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr)
           && (!OidIsValid(aggregate->inputcollid)
               || get_collation_isdeterministic(aggregate->inputcollid));
}

const char *by_name(GroupShape *shape, Query *query, const Anchoring &anchoring, Aggref *aggregate,
                    const char *name)
{
    Oid type = argument_type(aggregate);
    bool integer = type == INT2OID || type == INT4OID || type == INT8OID;
    auto is = [&](const char *other) { return strcmp(name, other) == 0; };

    if (is("count") && aggregate->aggdistinct != NIL)
        return distinct_count(shape, query, anchoring, aggregate);
    if (is("count"))
        return psprintf("s.p%d", add(shape, PartialKind::count, reinterpret_cast<Expr *>(aggregate), INT8OID));
    if (aggregate->aggdistinct == NIL && (is("sum") || is("avg"))) {
        if (integer)
            return of_integers(shape, aggregate, is("avg"));
        if (type == NUMERICOID)
            return of_numeric(shape, aggregate, is("avg"));
    }
    if (is("sum") && aggregate->aggdistinct == NIL
        && (type == CASHOID || (type == INTERVALOID && !pg::intervals_can_be_infinite)))
        return exact_sum(shape, aggregate);
    if (is("bool_and") || is("every") || is("bool_or"))
        return of_booleans(shape, aggregate, !is("bool_or"));
    if ((is("min") || is("max")) && has_extremes(aggregate))
        return extreme(shape, query, aggregate, is("min") ? PartialKind::smallest : PartialKind::largest);
    object(shape, psprintf("%s(%s) cannot be added and subtracted", name,
                           OidIsValid(type) ? format_type_be(type) : "..."));
    return "0";
}

} // namespace

namespace partial_aggregates {

const char *expression(GroupShape *shape, Query *query, const Anchoring &anchoring, Aggref *aggregate)
{
    char *name = get_func_name(aggregate->aggfnoid);
    if (aggregate->aggfnoid >= FirstGenbkiObjectId || aggregate->aggorder != NIL || name == nullptr
        || aggregate->aggkind != AGGKIND_NORMAL || aggregate->aggvariadic || aggregate->agglevelsup != 0) {
        object(shape, psprintf("the aggregate %s cannot be added and subtracted", name ? name : "?"));
        return "0";
    }
    return by_name(shape, query, anchoring, aggregate, name);
}

} // namespace partial_aggregates

} // namespace refresh_mv
