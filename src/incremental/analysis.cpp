#include "incremental/analysis.hpp"

#include "incremental/affected_parts.hpp"
#include "incremental/expose_keys.hpp"
#include "incremental/inheritance_reads.hpp"
#include "incremental/old_state.hpp"
#include "incremental/partition_reads.hpp"
#include "incremental/whole_rows.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"

namespace refresh_mv {

namespace {

// What a node is of, and where in the states it is.
const char *fingerprint_of(const SubqueryNode *node)
{
    Datum md5 = DirectFunctionCall1(md5_text, CStringGetTextDatum(nodeToString(node->query)));
    return psprintf("%d %s %s\n", node->number, TextDatumGetCString(md5), group_shape::fingerprint(node->groups));
}

// Forgets the order of a view's rows, which have none; of sets of groups it would keep them together.
void forget_order(Query *query)
{
    if (query->groupingSets != NIL && query->limitCount == nullptr && query->limitOffset == nullptr
        && query->distinctClause == NIL)
        query->sortClause = NIL;
}

// What a fingerprint begins with if joined rows are no nodes, and before the reason.
constexpr char without_rows[] = "without rows: ";

// Why joined rows had no states at a baseline; null if they had.
const char *reason_in(const char *baseline)
{
    constexpr size_t length = sizeof(without_rows) - 1;
    if (baseline == nullptr || strncmp(baseline, without_rows, length) != 0)
        return nullptr;
    const char *end = strchr(baseline + length, '\n');
    return end == nullptr ? nullptr : pnstrdup(baseline + length, static_cast<Size>(end - baseline) - length);
}

// Finds the nodes, one after the other, since each makes another query.  False if the state of one with joined rows
// is not made, for a reason.
bool find_nodes(Analysis *analysis, Oid view, bool was_split, analysis::Make make)
{
    while (SubqueryNode *node = nodes::next(analysis->query, analysis->anchoring, was_split,
                                            analysis->without_rows == nullptr, list_length(analysis->nodes) + 1)) {
        State state = {view, node->number};
        analysis->nodes = lappend(analysis->nodes, node);
        const char *reason = make != nullptr ? make(state, *node) : nullptr;
        if (reason != nullptr) {
            analysis->without_rows = reason;
            return false;
        }
        analysis->incomplete = !OidIsValid(state_tables::groups_oid(state));
        if (!analysis->incomplete)
            analysis->query = nodes::read_state(analysis->query, node, view);
        analysis->anchoring = anchor::choose(analysis->query, NIL);
        if (analysis->incomplete)
            break;
    }
    return true;
}

// Analyses a query, as of a time if there is one; again without joined rows if these are not made.
Analysis analyse(Relation view, List *changes, const Moment *as_of, const char *without_rows, analysis::Make make,
                 bool stateless = false)
{
    Analysis analysis{};
    analysis.stateless = stateless;
    analysis.query = query::rewritten(view);
    query::check_rights(analysis.query); // what reads changes in the place of tables asks for none
    analysis.without_rows = without_rows;
    forget_order(analysis.query);
    normalize::normalize(&analysis.query);
    partition_reads::by_roots(analysis.query);
    inheritance_reads::by_members(analysis.query);
    whole_rows::spell_out(analysis.query);
    expose_keys::in_subqueries(analysis.query);
    Query *whole = analysis.query;
    bool timed = time_conditions::reads_time(reinterpret_cast<Node *>(whole));
    if (as_of != nullptr)
        whole = castNode(Query, time_conditions::at(reinterpret_cast<Node *>(whole), *as_of));
    analysis.query = timed || stateless ? whole : nodes::split(whole);
    analysis.anchoring = anchor::choose(analysis.query, NIL);
    if (!timed && !stateless && !find_nodes(&analysis, RelationGetRelid(view), analysis.query != whole, make)) {
        state_tables::drop(RelationGetRelid(view));
        return analyse(view, changes, as_of, analysis.without_rows, make);
    }
    if (changes != NIL)
        analysis.anchoring = anchor::choose(analysis.query, changes);
    analysis.groups = group_shape::analyse(analysis.query, analysis.anchoring);
    return analysis;
}

} // namespace

namespace analysis {

Analysis of(Relation view, List *changes, const Moment *as_of, const char *baseline)
{
    return analyse(view, changes, as_of, reason_in(baseline), nullptr);
}

Analysis without_states(Relation view, List *changes, const Moment *as_of)
{
    return analyse(view, changes, as_of, nullptr, nullptr, true);
}

Analysis make(Relation view, Make make)
{
    return analyse(view, NIL, nullptr, nullptr, make);
}

const char *obstacle(const Analysis &analysis)
{
    const char *obstacle = old_state::obstacle(analysis.anchoring);
    ListCell *cell;
    foreach (cell, obstacle == nullptr ? analysis.anchoring.instances : NIL)
        if (static_cast<Instance *>(lfirst(cell))->linear)
            return nullptr;
    return obstacle != nullptr ? obstacle : affected_parts::obstacle(analysis.query, analysis.anchoring, NIL);
}

const char *explained(const Analysis &analysis, const char *obstacle)
{
    return obstacle != nullptr && analysis.without_rows != nullptr ? analysis.without_rows : obstacle;
}

bool has_groups(const Analysis &analysis)
{
    return analysis.groups.obstacle == nullptr && obstacle(analysis) == nullptr && !analysis.incomplete
           && !analysis.stateless;
}

bool has_state(const Analysis &analysis)
{
    return analysis.nodes != NIL || has_groups(analysis);
}

bool same_groups(const Analysis &a, const Analysis &b)
{
    return has_groups(a) == has_groups(b)
           && (!has_groups(a) || strcmp(group_shape::fingerprint(a.groups), group_shape::fingerprint(b.groups)) == 0);
}

const char *fingerprint(const Analysis &analysis)
{
    StringInfoData text;
    ListCell *cell;
    initStringInfo(&text);
    if (analysis.without_rows != nullptr)
        appendStringInfo(&text, "%s%s\n", without_rows, analysis.without_rows);
    foreach (cell, analysis.nodes)
        appendStringInfoString(&text, fingerprint_of(static_cast<SubqueryNode *>(lfirst(cell))));
    if (has_groups(analysis))
        appendStringInfoString(&text, group_shape::fingerprint(analysis.groups));
    return text.data;
}

} // namespace analysis

} // namespace refresh_mv
