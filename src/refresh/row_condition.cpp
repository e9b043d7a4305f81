#include "refresh/row_condition.hpp"

#include "query/query.hpp"
#include "refresh/date_window.hpp"

namespace refresh_mv::row_condition {

Node *kept(Relation view, WindowColumn column, Interval *age)
{
    if (age == nullptr)
        return nullptr;
    if (column.attno == 0)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("materialized view \"%s\" has keep_before set but cannot be restricted by date",
                        RelationGetRelationName(view)),
                 errdetail_internal("For this view %s.", column.reason),
                 errhint("Set its date_column, or reset keep_before, by refresh_mv.configure().")));
    return date_window::condition(view, column, date_window::before_today(column.type, age), true);
}

const char *bound(WindowColumn column, Interval *age)
{
    if (age == nullptr || column.attno == 0)
        return nullptr;
    Datum bound = date_window::before_today(column.type, age);
    return psprintf("%d %u " INT64_FORMAT, column.attno, column.type, date_window::ordinal(column.type, bound));
}

const char *moved_back(const char *before, const char *now)
{
    if (before == nullptr && now == nullptr)
        return nullptr;
    const char *value = before != nullptr ? strrchr(before, ' ') : nullptr;
    const char *present = now != nullptr ? strrchr(now, ' ') : nullptr;
    bool same_column = value != nullptr && present != nullptr && value - before == present - now
                       && memcmp(before, now, static_cast<size_t>(value - before)) == 0;
    if (!same_column)
        return "what keep_before kept at its last refresh is not known";
    return strtoll(present, nullptr, 10) < strtoll(value, nullptr, 10)
               ? "keep_before kept rows at its last refresh that it does not keep now"
               : nullptr;
}

[[noreturn]] static void refuse(const char *reason, const char *hint)
{
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("the condition cannot bound a refresh"), errdetail_internal("%s", reason),
             errhint("%s", hint)));
    pg_unreachable();
}

// Fails on what may give different answers for the same row of the view.
static void check_deterministic(Node *condition)
{
    if (contain_subplans(condition))
        refuse("It has a subquery.", "Compare columns of the view with constants.");
    if (contain_volatile_functions(condition))
        refuse("It calls a volatile function.", "Compare columns of the view with constants.");
}

// Fails on columns by which the view's query cannot be restricted.
static void check_columns(Relation view, Node *condition)
{
    List *vars = pull_var_clause(condition, 0);
    Query *rewritten = query::rewritten(view);
    ListCell *cell;

    if (vars == NIL)
        refuse("It mentions no column of the view.", "Compare columns of the view with constants.");
    foreach (cell, vars) {
        auto *var = lfirst_node(Var, cell);
        if (var->varattno <= 0)
            refuse("It mentions the whole row or a system column.",
                   "Compare columns of the view with constants.");
        if (!shape::grouped_by_image(rewritten, var->varattno))
            refuse(psprintf("Equal values of column \"%s\" can differ, and the view's query does not keep them apart.",
                            NameStr(TupleDescAttr(RelationGetDescr(view), var->varattno - 1)->attname)),
                   "Use columns of types such as integer, date, uuid or text.");
        if (!shape::pushable(query::stored(view), var->varattno))
            refuse(psprintf("The view's query cannot be restricted by column \"%s\" before grouping.",
                            NameStr(TupleDescAttr(RelationGetDescr(view), var->varattno - 1)->attname)),
                   "Use columns that the view groups by.");
    }
}

Node *parse(Relation view, const char *text)
{
    ParseState *state = make_parsestate(nullptr);
    char *select = psprintf("SELECT 1 WHERE %s", text);
    List *statements = raw_parser(select, RAW_PARSE_DEFAULT);
    SelectStmt *statement = nullptr;

    // The text must be one expression, not one that ends and goes on.
    if (list_length(statements) == 1 && IsA(linitial_node(RawStmt, statements)->stmt, SelectStmt))
        statement = reinterpret_cast<SelectStmt *>(linitial_node(RawStmt, statements)->stmt);
    if (statement == nullptr || statement->op != SETOP_NONE || statement->whereClause == nullptr
        || statement->groupClause || statement->havingClause || statement->windowClause
        || statement->sortClause || statement->limitCount || statement->limitOffset
        || statement->lockingClause || list_length(statement->targetList) != 1)
        refuse("It is more than a condition.", "Give what would follow WHERE, and nothing else.");

    ParseNamespaceItem *item = addRangeTableEntryForRelation(state, view, AccessShareLock, nullptr,
                                                             false, false);
    addNSItemToQuery(state, item, false, true, true);
    Node *condition = transformWhereClause(state, statement->whereClause, EXPR_KIND_WHERE, "WHERE");
    assign_expr_collations(state, condition);
    check_deterministic(condition);
    check_columns(view, condition);
    return condition;
}

} // namespace refresh_mv::row_condition
