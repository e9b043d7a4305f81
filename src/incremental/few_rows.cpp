#include "incremental/few_rows.hpp"

#include "incremental/from_clause.hpp"
#include "incremental/row_names.hpp"
#include "query/query.hpp"

namespace refresh_mv {

namespace {

constexpr int64 few = 100;

// The conditions of its query on an instance alone, as ones on the first entry of another; null if it has none, or is on
// the nullable side of a join.
Node *own_conditions(const Instance *instance)
{
    int rti = static_cast<int>(instance->rti);
    Node *own = nullptr;
    ListCell *cell;
    From from = from_clause::of_query(instance->query);
    if (from_clause::is_nullable(from, rti))
        return nullptr;
    foreach (cell, from.positive) {
        auto *condition = static_cast<Node *>(lfirst(cell));
        int only;
        if (!contain_subplans(condition) && !query::mentions_around(condition)
            && !contain_volatile_functions(condition) && bms_get_singleton_member(pull_varnos(nullptr, condition), &only)
            && only == rti)
            own = make_and_qual(own, static_cast<Node *>(copyObjectImpl(condition)));
    }
    if (own != nullptr)
        ChangeVarNodes(own, rti, 1, 0);
    return own;
}

} // namespace

NamedRows few_rows::of(const Instance *instance, const SignedChanges *signs, const char *more,
                       ephemeral_rows::Result result, QueryEnvironment *environment)
{
    bool many = signs->rows.count > few || *more != '\0';
    bool barred = rt_fetch(instance->rti, instance->query->rtable)->securityQuals != NIL;
    Node *own = many && !barred ? own_conditions(instance) : nullptr;
    if (own == nullptr && *more == '\0')
        return signs->rows;
    Query *query = query::unchecked(psprintf("SELECT t.* FROM %s t WHERE true%s", signs->rows.name, more), environment);
    query->jointree->quals = make_and_qual(query->jointree->quals, own);
    NamedRows rows = result(query::plan(query, 0), row_names::unused(environment, "few"), environment);
    ephemeral_rows::show(environment, rows);
    return rows;
}

} // namespace refresh_mv
