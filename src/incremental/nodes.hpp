// Nodes: subqueries of a view that group, or that are the joined rows of a query apart from what it does with
// them, and are read by something above them through which changes of their tables cannot be followed, or only in
// parts as large as those of what reads them.  Each has a state of its own (group_state.hpp), as if it were a
// materialized view below, and the query reads that.
//
//     = (SELECT max(total) FROM (SELECT sum(x) AS total FROM t GROUP BY k))      node 1: the groups of t
//     SELECT rank() OVER (ORDER BY g.n) FROM (SELECT count(*) AS n ...) g        node 1: g
//     GROUP BY k HAVING sum(x) > (SELECT avg(x) FROM t)                          node 1: the average, 2: the groups
//     SELECT lag(x) OVER (ORDER BY y) FROM t                                     node 1: x, y and the key of each row of t
//     k IN (SELECT u.k FROM u WHERE x > (SELECT sum(y) FROM t WHERE t.i = u.i))  node 1: the distinct values of k
//
// Invariants:
// - A node's subquery mentions nothing around it, and makes its groups of tables, or of what earlier nodes hold,
//   whose changes can be followed to it.
// - The query that reads the states returns the rows of the query that does not, wherever each state is that of its node.
// - Which subqueries are nodes depends on catalogs and the query tree, never on data or on what has changed.
#pragma once

#include "incremental/group_shape.hpp"

namespace refresh_mv {

struct SubqueryNode {
    int number;      // 1, 2, ...
    bool rows;       // the joined rows of a query, apart from what is done with them (rows_below.hpp)
    bool set;        // what an expression is compared with any or all of, so that duplicates do not matter
    Query *original; // as it stands in the query around it
    Query *query;    // normalized
    Anchoring anchoring;
    GroupShape groups;
};

namespace nodes {

// Makes a query that compares its groups with subqueries read the groups as a subquery, which can become a node.
Query *split(Query *query);

// A subquery that has to be a node, as the next one; null if none has to be, or can.  Of a query that was split, the
// groups have to be.  With rows, if need be a subquery of the query's joined rows is made.
SubqueryNode *next(Query *query, const Anchoring &anchoring, bool was_split, bool with_rows, int number);

// Has a query read the state of a node, whose table is there, wherever the node's subquery stands.
Query *read_state(Query *query, const SubqueryNode *node, Oid view);

} // namespace nodes

} // namespace refresh_mv
