#include "query/new_query.hpp"

#include "store/statement.hpp"

namespace refresh_mv {

namespace {

// Errors have their position in the query, which is not what the client has sent.
void point_into_query(void *text)
{
    int position = geterrposition();
    if (position <= 0)
        return;
    errposition(0);
    internalerrposition(position);
    internalerrquery(static_cast<const char *>(text));
}

// The one statement of a text, if it is a query.
RawStmt *single_query(const char *text)
{
    List *statements = raw_parser(text, RAW_PARSE_DEFAULT);
    if (list_length(statements) != 1 || !IsA(linitial_node(RawStmt, statements)->stmt, SelectStmt))
        ereport(ERROR,
                (errcode(ERRCODE_SYNTAX_ERROR),
                 errmsg("the query of a materialized view must be a single SELECT, TABLE or VALUES")));
    return linitial_node(RawStmt, statements);
}

// Has core check it as what it will be.
Query *analyse(RawStmt *statement, const char *text)
{
    auto *command = makeNode(CreateTableAsStmt);
    command->query = statement->stmt;
    command->objtype = OBJECT_MATVIEW;
    command->into = makeNode(IntoClause);
    command->into->rel = makeRangeVar(nullptr, pstrdup("v"), -1);
    command->into->onCommit = ONCOMMIT_NOOP;
    statement->stmt = reinterpret_cast<Node *>(command);
    Query *analysed = parse_analyze_fixedparams(statement, text, nullptr, 0, nullptr);
    return castNode(Query, castNode(CreateTableAsStmt, analysed->utilityStmt)->query);
}

struct Column {
    const char *name;
    Oid type;
    int32 typmod;
    Oid collation;
};

Column column_of(TargetEntry *entry)
{
    auto *expr = reinterpret_cast<Node *>(entry->expr);
    Column column = {entry->resname, exprType(expr), exprTypmod(expr), exprCollation(expr)};
    if (!OidIsValid(column.collation) && type_is_collatable(column.type))
        ereport(ERROR,
                (errcode(ERRCODE_INDETERMINATE_COLLATION),
                 errmsg("no collation was derived for column \"%s\" with collatable type %s", column.name,
                        format_type_be(column.type)),
                 errhint("Use the COLLATE clause to set the collation explicitly.")));
    return column;
}

const char *type_name(Oid type, int32 typmod)
{
    return format_type_with_typemod(type, typmod);
}

// Fails unless a column is as the view has it.
void check_kept(Form_pg_attribute held, const Column &column)
{
    const char *name = NameStr(held->attname);
    if (strcmp(name, column.name) != 0)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                 errmsg("cannot change name of materialized view column \"%s\" to \"%s\"", name, column.name),
                 errhint("Return it AS %s, or first run ALTER MATERIALIZED VIEW ... RENAME COLUMN; new columns come last.",
                         quote_identifier(name))));
    if (held->atttypid != column.type || held->atttypmod != column.typmod)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                 errmsg("cannot change data type of materialized view column \"%s\" from %s to %s", name,
                        type_name(held->atttypid, held->atttypmod), type_name(column.type, column.typmod)),
                 errhint("Cast it to %s in the query.", type_name(held->atttypid, held->atttypmod))));
    if (held->attcollation != column.collation)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                 errmsg("cannot change collation of materialized view column \"%s\" from \"%s\" to \"%s\"", name,
                        get_collation_name(held->attcollation), get_collation_name(column.collation)),
                 errhint("Use the COLLATE clause in the query.")));
}

// Fails unless a table can have such columns, as it does for those of a new one.
void check_added(Relation view, const Column *columns, int count, int held)
{
    if (count > MaxHeapAttributeNumber)
        ereport(ERROR,
                (errcode(ERRCODE_TOO_MANY_COLUMNS),
                 errmsg("tables can have at most %d columns", MaxHeapAttributeNumber)));
    for (int i = held; i < count; i++) {
        if (SystemAttributeByName(columns[i].name) != nullptr)
            ereport(ERROR,
                    (errcode(ERRCODE_DUPLICATE_COLUMN),
                     errmsg("column name \"%s\" conflicts with a system column name", columns[i].name)));
        for (int j = 0; j < i; j++)
            if (strcmp(columns[i].name, columns[j].name) == 0)
                ereport(ERROR,
                        (errcode(ERRCODE_DUPLICATE_COLUMN),
                         errmsg("column \"%s\" specified more than once", columns[i].name)));
        CheckAttributeType(columns[i].name, columns[i].type, columns[i].collation,
                           list_make1_oid(view->rd_rel->reltype), 0);
    }
}

bool reads(Node *node, void *relation)
{
    if (node == nullptr)
        return false;
    if (IsA(node, RangeTblEntry)) {
        auto *rte = reinterpret_cast<RangeTblEntry *>(node);
        return rte->rtekind == RTE_RELATION && rte->relid == *static_cast<Oid *>(relation);
    }
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query *>(node), pg::walker(reads), relation,
                                 QTW_EXAMINE_RTES_BEFORE);
    return expression_tree_walker(node, pg::walker(reads), relation);
}

[[noreturn]] void refuse_cycle(const char *view, const char *through)
{
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
             errmsg("the query of materialized view \"%s\" must not read the view itself", view),
             through ? errdetail("It would, through %s.", through) : 0));
    pg_unreachable();
}

} // namespace

namespace new_query {

Query *parse(const char *text)
{
    ErrorContextCallback callback = {error_context_stack, point_into_query, const_cast<char *>(text)};
    error_context_stack = &callback;
    Query *query = analyse(single_query(text), text);
    error_context_stack = callback.previous;
    return query;
}

TupleDesc added_columns(Relation view, Query *query)
{
    TupleDesc held = RelationGetDescr(view);
    auto *columns = static_cast<Column *>(palloc(sizeof(Column) * (list_length(query->targetList) + 1)));
    int count = 0;
    ListCell *cell;

    foreach (cell, query->targetList)
        if (!lfirst_node(TargetEntry, cell)->resjunk)
            columns[count++] = column_of(lfirst_node(TargetEntry, cell));
    for (int i = 0; i < Min(count, held->natts); i++)
        check_kept(TupleDescAttr(held, i), columns[i]);
    if (count < held->natts)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                 errmsg("cannot drop columns from materialized view \"%s\"", RelationGetRelationName(view)),
                 errdetail("The query does not return column \"%s\".", NameStr(TupleDescAttr(held, count)->attname))));
    check_added(view, columns, count, held->natts);
    if (count == held->natts)
        return nullptr;

    TupleDesc added = CreateTemplateTupleDesc(count - held->natts);
    for (int i = held->natts; i < count; i++) {
        auto number = static_cast<AttrNumber>(i - held->natts + 1);
        TupleDescInitEntry(added, number, columns[i].name, columns[i].type, columns[i].typmod, 0);
        TupleDescInitEntryCollation(added, number, columns[i].collation);
        TupleDescAttr(added, number - 1)->attnum = static_cast<AttrNumber>(i + 1);
    }
    return added;
}

void check_no_cycle(Relation view, Query *query)
{
    Oid oid = RelationGetRelid(view);
    if (reads(reinterpret_cast<Node *>(query), &oid))
        refuse_cycle(RelationGetRelationName(view), nullptr);
}

// By what the catalog says that queries, bodies of functions and row types depend on.  (Before 16 the
// rule of a view depends on the view itself, too.)
void check_no_cycle(Oid view)
{
    MemoryContext memory = CurrentMemoryContext;
    SPI_connect();
    statement::execute(
        "WITH RECURSIVE reached AS ("
        " SELECT d.refclassid, d.refobjid, d.refclassid AS first_class, d.refobjid AS first FROM pg_catalog.pg_rewrite r"
        " JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid"
        " AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
        " WHERE r.ev_class OPERATOR(pg_catalog.=) $1 AND d.refobjid OPERATOR(pg_catalog.<>) $1"
        " UNION SELECT n.refclassid, n.refobjid, o.first_class, o.first FROM reached o CROSS JOIN LATERAL ("
        " SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_rewrite r"
        " JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid"
        " AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
        " WHERE o.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
        " AND r.ev_class OPERATOR(pg_catalog.=) o.refobjid"
        " UNION ALL SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d"
        " WHERE o.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass"
        " AND d.classid OPERATOR(pg_catalog.=) o.refclassid AND d.objid OPERATOR(pg_catalog.=) o.refobjid"
        " UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.typrelid FROM pg_catalog.pg_type t"
        " WHERE o.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass"
        " AND t.oid OPERATOR(pg_catalog.=) o.refobjid AND t.typrelid OPERATOR(pg_catalog.<>) 0) n)"
        " SELECT pg_catalog.pg_describe_object(first_class, first, 0) FROM reached"
        " WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
        " AND refobjid OPERATOR(pg_catalog.=) $1 LIMIT 1",
        statement::Values().oid(view), SPI_OK_SELECT);
    const char *through = SPI_processed > 0 ? statement::returned_text(0, 1, memory) : nullptr;
    SPI_finish();
    if (through != nullptr)
        refuse_cycle(get_rel_name(view), through);
}

} // namespace new_query

} // namespace refresh_mv
