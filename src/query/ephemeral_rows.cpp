#include "query/ephemeral_rows.hpp"

#include "query/query.hpp"

namespace refresh_mv {

namespace {

// Keeps all rows of a query.
struct Keeper {
    DestReceiver pub;
    NamedRows *rows;
};

bool keep(TupleTableSlot *slot, DestReceiver *self)
{
    NamedRows *rows = reinterpret_cast<Keeper *>(self)->rows;
    tuplestore_puttupleslot(rows->rows, slot);
    rows->count++;
    return true;
}

EphemeralNamedRelation as_relation(const NamedRows &rows)
{
    auto *relation = static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
    relation->md.name = pstrdup(rows.name);
    relation->md.tupdesc = rows.desc;
    relation->md.enrtype = ENR_NAMED_TUPLESTORE;
    relation->md.enrtuples = static_cast<double>(rows.count);
    relation->reldata = rows.rows;
    return relation;
}

// The names of all rows that an environment shows, which keeps them as if they were
// rows themselves.
EphemeralNamedRelation names_shown(QueryEnvironment *environment)
{
    static const char name[] = "refresh_mv names";
    if (get_ENR(environment, name) == nullptr)
        register_ENR(environment, as_relation({name, nullptr, nullptr, 0}));
    return get_ENR(environment, name);
}

void end(EphemeralNamedRelation relation)
{
    if (relation->reldata != nullptr)
        tuplestore_end(static_cast<Tuplestorestate *>(relation->reldata));
}

struct Replacement {
    const char *name;
    Query *query;
};

bool replace_in(Node *node, void *context)
{
    auto *replacement = static_cast<Replacement *>(context);
    ListCell *cell;
    if (node == nullptr)
        return false;
    if (!IsA(node, Query))
        return expression_tree_walker(node, pg::walker(replace_in), context);
    auto *query = reinterpret_cast<Query *>(node);
    foreach (cell, query->rtable) {
        auto *rte = lfirst_node(RangeTblEntry, cell);
        if (rte->rtekind != RTE_NAMEDTUPLESTORE || strcmp(rte->enrname, replacement->name) != 0)
            continue;
        rte->rtekind = RTE_SUBQUERY;
        rte->subquery = replacement->query;
        rte->enrname = nullptr;
        rte->enrtuples = 0;
        rte->coltypes = rte->coltypmods = rte->colcollations = NIL;
    }
    return query_tree_walker(query, pg::walker(replace_in), context, 0);
}

} // namespace

namespace ephemeral_rows {

NamedRows make(const char *name, TupleDesc desc)
{
    return {pstrdup(name), desc, tuplestore_begin_heap(true, false, maintenance_work_mem / 16), 0};
}

void add(NamedRows *named, Datum *values, bool *nulls)
{
    tuplestore_putvalues(named->rows, named->desc, values, nulls);
    named->count++;
}

NamedRows result_of(PlannedStmt *plan, const char *name, QueryEnvironment *environment)
{
    NamedRows rows = make(name, ExecCleanTypeFromTL(plan->planTree->targetlist));
    Keeper keeper = {query::row_receiver(keep), &rows};
    query::run(plan, &keeper.pub, environment);
    return rows;
}

NamedRows expected(const char *name, TupleDesc desc, double count)
{
    NamedRows rows = make(name, desc);
    rows.count = static_cast<int64>(clamp_row_est(count));
    return rows;
}

NamedRows expected_of(PlannedStmt *plan, const char *name, QueryEnvironment *)
{
    return expected(name, ExecCleanTypeFromTL(plan->planTree->targetlist), plan->planTree->plan_rows);
}

NamedRows result_of(Query *query, const char *name, QueryEnvironment *environment)
{
    return result_of(query::plan(query, 0), name, environment);
}

void show(QueryEnvironment *environment, const NamedRows &rows)
{
    EphemeralNamedRelation shown = get_ENR(environment, rows.name);
    if (shown != nullptr) {
        end(shown);
        unregister_ENR(environment, rows.name);
    }
    register_ENR(environment, as_relation(rows));
    EphemeralNamedRelation names = names_shown(environment);
    names->reldata = list_append_unique(static_cast<List *>(names->reldata), makeString(pstrdup(rows.name)));
}

void lend(QueryEnvironment *environment, const NamedRows &rows)
{
    register_ENR(environment, as_relation(rows));
}

void release_all(QueryEnvironment *environment)
{
    ListCell *cell;
    foreach (cell, static_cast<List *>(names_shown(environment)->reldata))
        end(get_ENR(environment, strVal(lfirst(cell))));
}

void show_spi(const NamedRows &rows)
{
    int result = SPI_register_relation(as_relation(rows));
    if (result != SPI_OK_REL_REGISTER)
        elog(ERROR, "could not register rows: %s", SPI_result_code_string(result));
}

NamedRows shown(QueryEnvironment *environment, const char *name)
{
    EphemeralNamedRelation relation = get_ENR(environment, name);
    return {relation->md.name, relation->md.tupdesc, static_cast<Tuplestorestate *>(relation->reldata),
            static_cast<int64>(relation->md.enrtuples)};
}

void stand_in(QueryEnvironment *environment, const char *name, Query *query)
{
    show(environment, {name, ExecCleanTypeFromTL(query->targetList), nullptr, 0});
}

Query *over(const char *text, const char *name, Query *query, QueryEnvironment *environment)
{
    stand_in(environment, name, query);
    Query *reader = query::unchecked(text, environment);
    replace(reader, name, query);
    return reader;
}

const char *numbered(const char *name, int number)
{
    return psprintf("%s_%d", name, number);
}

Query *over_all(const char *text, const char *name, List *queries, QueryEnvironment *environment)
{
    ListCell *cell;
    foreach (cell, queries)
        stand_in(environment, numbered(name, foreach_current_index(cell) + 1), lfirst_node(Query, cell));
    Query *reader = query::unchecked(text, environment);
    foreach (cell, queries)
        replace(reader, numbered(name, foreach_current_index(cell) + 1), lfirst_node(Query, cell));
    return reader;
}

Query *union_all(const char *name, List *queries, QueryEnvironment *environment)
{
    StringInfoData text;
    initStringInfo(&text);
    for (int number = 1; number <= list_length(queries); number++)
        appendStringInfo(&text, "%sSELECT t.* FROM %s t", number > 1 ? " UNION ALL " : "", numbered(name, number));
    return over_all(text.data, name, queries, environment);
}

void replace(Query *query, const char *name, Query *replacement)
{
    Replacement context = {name, replacement};
    replace_in(reinterpret_cast<Node *>(query), &context);
}

void release(NamedRows *rows)
{
    tuplestore_end(rows->rows);
}

} // namespace ephemeral_rows

} // namespace refresh_mv
