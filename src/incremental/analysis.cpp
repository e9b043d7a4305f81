#include "incremental/analysis.hpp"

#include "incremental/affected_parts.hpp"
#include "incremental/expose_keys.hpp"
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

// Finds the nodes, one after the other, since each makes another query.
void find_nodes(Analysis *analysis, Oid view, bool was_split, analysis::Make make)
{
    while (SubqueryNode *node = nodes::next(analysis->query, analysis->anchoring, was_split,
                                            list_length(analysis->nodes) + 1)) {
        State state = {view, node->number};
        analysis->nodes = lappend(analysis->nodes, node);
        if (make != nullptr)
            make(state, *node);
        else if (!OidIsValid(state_tables::groups_oid(state))) {
            analysis->incomplete = true;
            return;
        }
        analysis->query = nodes::read_state(analysis->query, node, view);
        analysis->anchoring = anchor::choose(analysis->query, NIL);
    }
}

} // namespace

namespace analysis {

Analysis of(Relation view, List *changed, const Moment *as_of, Make make)
{
    Analysis analysis{};
    analysis.query = query::rewritten(view);
    normalize::normalize(&analysis.query);
    partition_reads::by_roots(analysis.query);
    whole_rows::spell_out(analysis.query);
    expose_keys::in_subqueries(analysis.query);
    Query *whole = analysis.query;
    bool timed = time_conditions::reads_time(reinterpret_cast<Node *>(whole));
    if (as_of != nullptr)
        whole = castNode(Query, time_conditions::at(reinterpret_cast<Node *>(whole), *as_of));
    analysis.query = timed ? whole : nodes::split(whole);
    analysis.anchoring = anchor::choose(analysis.query, NIL);
    if (!timed)
        find_nodes(&analysis, RelationGetRelid(view), analysis.query != whole, make);
    if (changed != NIL)
        analysis.anchoring = anchor::choose(analysis.query, changed);
    analysis.groups = group_shape::analyse(analysis.query, analysis.anchoring);
    return analysis;
}

const char *obstacle(const Analysis &analysis)
{
    const char *obstacle = old_state::obstacle(analysis.anchoring);
    ListCell *cell;
    foreach (cell, obstacle == nullptr ? analysis.anchoring.instances : NIL)
        if (static_cast<Instance *>(lfirst(cell))->linear)
            return nullptr;
    return obstacle != nullptr ? obstacle : affected_parts::obstacle(analysis.anchoring, NIL);
}

bool has_groups(const Analysis &analysis)
{
    return analysis.groups.obstacle == nullptr && obstacle(analysis) == nullptr && !analysis.incomplete;
}

bool has_state(const Analysis &analysis)
{
    return analysis.nodes != NIL || has_groups(analysis);
}

const char *fingerprint(const Analysis &analysis)
{
    StringInfoData text;
    ListCell *cell;
    initStringInfo(&text);
    foreach (cell, analysis.nodes)
        appendStringInfoString(&text, fingerprint_of(static_cast<SubqueryNode *>(lfirst(cell))));
    if (has_groups(analysis))
        appendStringInfoString(&text, group_shape::fingerprint(analysis.groups));
    return text.data;
}

} // namespace analysis

} // namespace refresh_mv
