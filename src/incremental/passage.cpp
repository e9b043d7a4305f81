#include "incremental/passage.hpp"

#include "incremental/instance.hpp"
#include "incremental/time_bounds.hpp"
#include "query/query.hpp"

namespace refresh_mv {

namespace {

// ---- differences ----

Expr *is_true(Node *condition)
{
    auto *test = makeNode(BooleanTest);
    test->arg = reinterpret_cast<Expr *>(condition);
    test->booltesttype = IS_TRUE;
    test->location = -1;
    return reinterpret_cast<Expr *>(test);
}

// That a condition is true at just one of the times.
Node *differs(Node *condition, const Passage &passage)
{
    Expr *changed = make_opclause(BooleanNotEqualOperator, BOOLOID, false,
                                  is_true(time_conditions::at(condition, passage.now)),
                                  is_true(time_conditions::at(condition, passage.before)), InvalidOid, InvalidOid);
    set_opfuncid(reinterpret_cast<OpExpr *>(changed));
    return make_and_qual(time_bounds::of(condition, passage), reinterpret_cast<Node *>(changed));
}

Expr *number(int32 value)
{
    return reinterpret_cast<Expr *>(makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(value), false, true));
}

// 1 if a condition is true now, else -1.
Expr *sign_of(Node *condition, const Passage &passage)
{
    auto *when = makeNode(CaseWhen);
    when->expr = is_true(time_conditions::at(condition, passage.now));
    when->result = number(1);
    when->location = -1;
    auto *sign = makeNode(CaseExpr);
    sign->casetype = INT4OID;
    sign->args = list_make1(when);
    sign->defresult = number(-1);
    sign->location = -1;
    return reinterpret_cast<Expr *>(sign);
}

// The one entry of the range table that a condition is about.
struct About {
    int rti;
    bool more; // about something else, too
};

bool find_entry(Node *node, void *context)
{
    auto *about = static_cast<About *>(context);
    if (node == nullptr)
        return false;
    if (IsA(node, Var)) {
        auto *var = reinterpret_cast<Var *>(node);
        about->more |= var->varlevelsup > 0 || var->varattno < 0 || (about->rti != 0 && about->rti != var->varno);
        about->rti = var->varno;
        return about->more;
    }
    about->more |= IsA(node, Query) || IsA(node, SubLink) || IsA(node, Param);
    return about->more || expression_tree_walker(node, pg::walker(find_entry), context);
}

} // namespace

namespace passage {

Passage none()
{
    return {{}, {}, false, NIL, nullptr};
}

Passage of(Query *query, const Moment &before, const Moment &now)
{
    Passage passage = {before, now, false, NIL, nullptr};
    auto *copy = static_cast<Query *>(copyObjectImpl(query));
    ListCell *cell;
    foreach (cell, time_conditions::find(copy))
        if (time_conditions::has_moved(static_cast<TimeCondition *>(lfirst(cell))->condition, before, now))
            passage.moved = lappend_int(passage.moved, foreach_current_index(cell));
    passage.passed = passage.moved != NIL;
    if (time_conditions::read_elsewhere(copy))
        passage.obstacle = "it reads the time elsewhere than in conditions on what it joins";
    return passage;
}

Query *probe(Query *query, const Passage &passage, int condition)
{
    auto *copy = static_cast<Query *>(copyObjectImpl(query));
    auto *timed = static_cast<TimeCondition *>(list_nth(time_conditions::find(copy), condition));
    About about{};
    find_entry(timed->condition, &about);
    RangeTblEntry *rte = about.rti > 0 ? rt_fetch(about.rti, timed->query->rtable) : nullptr;
    if (rte == nullptr || about.more || rte->rtekind != RTE_RELATION)
        return nullptr;
    Query *probe = query::unchecked(psprintf("SELECT 1 AS found FROM %s t LIMIT 1", instance::qualified_name(rte->relid)));
    probe->jointree->quals = differs(timed->condition, passage);
    ChangeVarNodes(probe->jointree->quals, about.rti, 1, 0);
    rt_fetch(1, probe->rtable)->inh = rte->inh;
    return probe;
}

Difference apply(Query *copy, const Passage &passage, int condition)
{
    Difference difference{};
    ListCell *cell;
    foreach (cell, time_conditions::find(copy)) {
        auto *timed = static_cast<TimeCondition *>(lfirst(cell));
        int place = foreach_current_index(cell);
        if (place == condition) {
            difference = {timed->query, sign_of(timed->condition, passage)};
            time_conditions::replace(timed, differs(timed->condition, passage));
        } else
            time_conditions::replace(timed, time_conditions::at(timed->condition,
                                                               place < condition ? passage.now : passage.before));
    }
    return difference;
}

} // namespace passage

} // namespace refresh_mv
