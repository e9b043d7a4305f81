// A view's query, analysed: with what stands in the place of its nodes, and how the changes of what it
// reads then can be followed.
#pragma once

#include "incremental/nodes.hpp"
#include "query/time_conditions.hpp"
#include "store/state_tables.hpp"

namespace refresh_mv {

struct Analysis {
    Query *query;    // that reads the states of its nodes
    Anchoring anchoring;
    GroupShape groups;
    List *nodes;     // SubqueryNode *, each of which reads the states of earlier ones at most
    bool incomplete; // the state of the last node does not exist, nor is it known what is above it
    const char *without_rows; // why joined rows are no nodes, though they could be; null: they are
    bool stateless;  // neither nodes nor groups are looked for in states
};

namespace analysis {

// Makes the state of a node; or says why not, if it holds joined rows.
using Make = const char *(*)(State state, const SubqueryNode &node);

// Analyses a view's query, by the anchor that suits changes best (NetChanges *; NIL: of any), as of a time if
// there is one.  The states of nodes are there, as the fingerprint of a baseline has it (null: there is none), or made
// meanwhile.  What reads the time has none.
Analysis of(Relation view, List *changes, const Moment *as_of, const char *baseline);
Analysis make(Relation view, Make make);

// The same of the query as it is, without any states: for whoever cannot read them.
Analysis without_states(Relation view, List *changes, const Moment *as_of);

// Why no changes can be taken in, whatever has changed; null if some can.
const char *obstacle(const Analysis &analysis);

// Whether groups of the query itself can be kept in a state.
bool has_groups(const Analysis &analysis);

// An obstacle, or what is behind it.
const char *explained(const Analysis &analysis, const char *obstacle);

// Whether anything is kept in a state.
bool has_state(const Analysis &analysis);

// Whether two analyses, which differ by their anchors alone, keep the same groups, or both none.
bool same_groups(const Analysis &a, const Analysis &b);

// Something that changes whenever the states would hold something else, and tells why joined rows have none.
const char *fingerprint(const Analysis &analysis);

} // namespace analysis

} // namespace refresh_mv
