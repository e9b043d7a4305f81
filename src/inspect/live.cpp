#include "inspect/live.hpp"

#include "incremental/incremental.hpp"
#include "merge/diff.hpp"
#include "query/query.hpp"
#include "query/view.hpp"
#include "server/bridge.hpp"
#include "server/class_row.hpp"
#include "tracking/baseline.hpp"

namespace refresh_mv {

namespace {

// Why the rows cannot be told; no message: they can.
struct Obstacle {
    const char *reason;
    bool untracked;
    bool costly;
    bool by_query; // the query tells them sooner
};

// ---- what is no part of a snapshot ----

// The place of a relation's row in pg_class: as it is now, or as the active snapshot shows it.
ItemPointerData class_tid(Oid relation, bool now)
{
    ItemPointerData tid;
    ScanKeyData key;
    ItemPointerSetInvalid(&tid);
    Relation catalog = table_open(RelationRelationId, AccessShareLock);
    ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
    SysScanDesc scan = systable_beginscan(catalog, ClassOidIndexId, true, now ? nullptr : GetActiveSnapshot(), 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple))
        tid = tuple->t_self;
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return tid;
}

// Whether the active snapshot shows a relation as it is now.
bool is_shown(Oid relation)
{
    ClassRow row = class_row(relation);
    if (!row.exists)
        return false;
    if (!TransactionIdIsCurrentTransactionId(row.xmin))
        return !XidInMVCCSnapshot(row.xmin, GetActiveSnapshot());
    ItemPointerData now = class_tid(relation, true);
    ItemPointerData shown = class_tid(relation, false);
    return ItemPointerIsValid(&shown) && ItemPointerEquals(&now, &shown);
}

// A relation that has been truncated, rewritten or defined anew since the snapshot would be read as it never was.
void check_shown(Oid relation)
{
    if (!is_shown(relation))
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("could not read relation \"%s\" as of the snapshot due to a concurrent change of its definition or storage",
                        get_rel_name(relation)),
                 errhint("Retry the query; under REPEATABLE READ and above, the transaction.")));
}

// What the view reads, all of which the snapshot shows as it is.
List *checked_sources(Relation view)
{
    List *sources = query::lock_sources(view);
    ListCell *cell;
    check_shown(RelationGetRelid(view));
    foreach (cell, sources)
        check_shown(lfirst_oid(cell));
    return sources;
}

void check_same_partitions(Relation view, List *before)
{
    if (!equal(before, query::lock_sources(view)))
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("a partition was attached or detached while materialized view \"%s\" was being read",
                        RelationGetRelationName(view)),
                 errhint("Retry the query.")));
}

// ---- rights ----

void check_may_read(Oid view)
{
    if (pg_class_aclcheck(view, GetUserId(), ACL_SELECT) != ACLCHECK_OK
        && pg_attribute_aclcheck_all(view, GetUserId(), ACL_SELECT, ACLMASK_ALL) != ACLCHECK_OK)
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_MATVIEW, get_rel_name(view));
}

OpenView open(Oid view)
{
    LockRelationOid(view, AccessShareLock);
    view::check_kind(view); // it may have been dropped meanwhile
    check_may_read(view);
    return view::open_to_read(view);
}

// ---- the rows ----

// Adds a condition to a query that returns columns of its one, or its first, entry.
void add_condition(Query *query, const Node *condition)
{
    if (condition != nullptr)
        query->jointree->quals = make_and_qual(query->jointree->quals, static_cast<Node *>(copyObjectImpl(condition)));
}

// Whether a query returns a sign after the columns of the view.
bool has_sign(Relation view, Query *query)
{
    return ExecCleanTargetListLength(query->targetList) > RelationGetDescr(view)->natts;
}

// Compares what the view holds in a scope with what it should hold, as the condition says.
Diff *compare(Relation view, const ExactScope &scope, Node *condition)
{
    add_condition(scope.held, condition);
    if (has_sign(view, scope.fresh)) {
        add_condition(scope.fresh, condition); // it reads nothing but named rows, with the same columns
        return diff::compute_signed(view, scope.held, scope.fresh, PairingKey{}, scope.environment);
    }
    return diff::compute(view, scope.held, query::select_fresh(view, scope.fresh, condition), PairingKey{},
                         scope.environment);
}

int by_place(const void *a, const void *b)
{
    return ItemPointerCompare(static_cast<ItemPointer>(const_cast<void *>(a)),
                              static_cast<ItemPointer>(const_cast<void *>(b)));
}

// Notes a row that the view holds and should not.
void add_gone(LiveRows *rows, TupleTableSlot *slot)
{
    bool null;
    rows->gone[rows->gone_count++] = *DatumGetItemPointer(slot_getattr(slot, 1, &null));
}

// Takes over the rows of a diff.
void take(LiveRows *rows, Relation view, const Diff *diff)
{
    TupleTableSlot *gone = MakeSingleTupleTableSlot(diff->gone_desc, &TTSOpsMinimalTuple);
    TupleTableSlot *changed = MakeSingleTupleTableSlot(diff->changed_desc, &TTSOpsMinimalTuple);
    TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(view), &TTSOpsMinimalTuple);
    Size size = sizeof(ItemPointerData) * (diff->gone_rows + diff->changed_rows + 1);

    rows->gone = static_cast<ItemPointerData *>(MemoryContextAllocHuge(CurrentMemoryContext, size));
    while (tuplestore_gettupleslot(diff->gone, true, false, gone))
        add_gone(rows, gone);
    while (tuplestore_gettupleslot(diff->changed, true, false, changed)) {
        add_gone(rows, changed);
        slot_getallattrs(changed);
        tuplestore_putvalues(rows->fresh, RelationGetDescr(view), changed->tts_values + 1, changed->tts_isnull + 1);
    }
    while (tuplestore_gettupleslot(diff->fresh, true, false, row))
        tuplestore_puttupleslot(rows->fresh, row);
    rows->fresh_count = static_cast<int64>(diff->changed_rows + diff->fresh_rows);
    qsort(rows->gone, static_cast<size_t>(rows->gone_count), sizeof(ItemPointerData), by_place);
    ExecDropSingleTupleTableSlot(gone);
    ExecDropSingleTupleTableSlot(changed);
    ExecDropSingleTupleTableSlot(row);
}

// Whether a view is to be read otherwise than as it is.
bool has_changed(const BaselineStatus &baseline)
{
    return baseline.pending > 0 || baseline.time_has_passed();
}

// Why a view's rows cannot be told by its changes, whatever these are.
Obstacle obstacle_of(const OpenView &view, const BaselineStatus &baseline)
{
    if (!RelationIsPopulated(view.relation))
        return {"it has not been populated", false, false, false};
    if (!baseline.tracked)
        return {"it is not tracked", true, false, false};
    if (baseline.unknown != nullptr)
        return {baseline.unknown, false, false, false};
    if (has_changed(baseline) && view.settings.keep_before != nullptr)
        return {"keep_before keeps rows that its query does not return", false, false, false};
    return {};
}

// How long the query is expected to take for the rows that satisfy a condition: a dashboard that reads one day should
// not wait for the changes of all.  Negative without a condition.
double query_ms(Relation view, Node *condition)
{
    if (condition == nullptr)
        return -1;
    return gate::query_ms(query::cost(query::select_fresh(view, query::rewritten(view), condition))) * gate::cost_limit;
}

// Finds the rows by the view's changes.
Obstacle find_by_changes(const OpenView &view, const LiveQuestion &question, LiveRows *rows)
{
    query::StandIns states;
    List *sources = nullptr;
    BaselineStatus baseline{};
    Gate gate{};
    double cost = 0;
    bool bounded = false; // by what the query would take
    Obstacle obstacle = guard([&] {
        sources = checked_sources(view.relation);
        baseline = baseline::look(view.relation, view.settings.tracked, Amidst::allowed);
        rows->changes = baseline.pending;
        Obstacle found = obstacle_of(view, baseline);
        if (found.reason != nullptr || !has_changed(baseline))
            return found;
        gate = gate::of(view.relation, baseline.experience, baseline.pending);
        double most = query_ms(view.relation, question.condition);
        bounded = most >= 0 && most / gate.rate < gate.limit;
        if (bounded)
            gate.limit = most / gate.rate;
        if (most >= 0 && most < gate::changes_ms(baseline.experience, baseline.pending))
            return Obstacle{"its query takes less", false, false, true};
        return found;
    });
    if (obstacle.reason != nullptr)
        return obstacle;
    *rows = {"stored", true, baseline.pending, nullptr, 0, rows->fresh, 0};
    if (!has_changed(baseline))
        return {};

    ExactScope scope = incremental::scope_to_read(view.relation, baseline, gate, &cost);
    return guard([&]() -> Obstacle {
        if (scope.reason == nullptr && scope.fresh != nullptr && scope.held != nullptr) {
            Diff *diff = compare(view.relation, scope, question.condition);
            rows->way = name_of(scope.method);
            take(rows, view.relation, diff);
            diff::release(diff);
        }
        incremental::release(&scope);
        check_same_partitions(view.relation, sources);
        bool costly = scope.reason != nullptr && cost > gate.limit;
        return {scope.reason, false, costly, costly && bounded};
    });
}

struct Found {};

// The same without keeping any lock: nobody has to wait, until this transaction ends, for what was read.  With a fallback,
// an error is an obstacle: it may be met on rows only that are not there any more.
Obstacle try_by_changes(const OpenView &view, const LiveQuestion &question, LiveRows *rows)
{
    Obstacle obstacle{};
    try {
        subtransaction([&] {
            obstacle = find_by_changes(view, question, rows);
            throw Found{}; // nothing was written
        });
    } catch (const Found &) {
    } catch (const PgError &error) {
        if (!question.fallback || is_cancel(error.data) || error.data->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE)
            throw;
        obstacle.reason = "an error was met";
    }
    return obstacle;
}

struct Filler {
    DestReceiver pub;
    LiveRows *rows;
};

bool keep_row(TupleTableSlot *slot, DestReceiver *self)
{
    LiveRows *rows = reinterpret_cast<Filler *>(self)->rows;
    tuplestore_puttupleslot(rows->fresh, slot);
    rows->fresh_count++;
    return true;
}

// Finds the rows by the view's query.
void find_by_query(Relation view, Node *condition, LiveRows *rows)
{
    Filler filler = {query::row_receiver(keep_row), rows};
    checked_sources(view); // once more, since the locks have gone
    tuplestore_clear(rows->fresh);
    *rows = {"query", false, rows->changes, nullptr, 0, rows->fresh, 0};
    query::run(query::select_fresh(view, query::rewritten(view), condition), &filler.pub, CURSOR_OPT_PARALLEL_OK);
}

[[noreturn]] void refuse(Relation view, const Obstacle &obstacle)
{
    const char *by_query = "have its query run by live(..., fallback => true)";
    ereport(ERROR,
            (errcode(obstacle.costly ? ERRCODE_CONFIGURATION_LIMIT_EXCEEDED : ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("the rows of materialized view \"%s\" as of now cannot be told by its changes",
                    RelationGetRelationName(view)),
             errdetail_internal("The reason is: %s.", obstacle.reason),
             obstacle.untracked ? errhint("Track it by refresh_mv.track() and refresh it, or %s.", by_query)
                                : errhint("Refresh it, or %s.", by_query)));
}

} // namespace

namespace live {

void lock(Oid view)
{
    LockRelationOid(view, AccessShareLock);
    if (get_rel_relkind(view) != RELKIND_MATVIEW)
        return;
    Relation relation = table_open(view, NoLock);
    query::lock_sources(relation);
    table_close(relation, NoLock);
}

LiveRows find(const LiveQuestion &question)
{
    LiveRows rows{};
    OpenView view = guard([&] {
        rows.fresh = tuplestore_begin_heap(true, false, work_mem);
        return open(question.view);
    });
    Obstacle obstacle = try_by_changes(view, question, &rows);
    guard([&] {
        if (obstacle.reason != nullptr && !question.fallback && !obstacle.by_query)
            refuse(view.relation, obstacle);
        if (obstacle.reason != nullptr)
            find_by_query(view.relation, question.condition, &rows);
        view::close(&view);
    });
    return rows;
}

Query *stored_rows(Oid view, Node *condition)
{
    Relation relation = table_open(view, AccessShareLock);
    Query *query = query::select_held(relation, condition);
    table_close(relation, NoLock);
    return query;
}

bool is_gone(const LiveRows &rows, ItemPointer tid, int64 *near)
{
    auto is_before = [&](int64 i) { return ItemPointerCompare(&rows.gone[i], tid) < 0; };
    int64 first = 0; // those before it are before the row
    int64 end = rows.gone_count;
    bool is_next = (*near == 0 || is_before(*near - 1)) && (*near == end || !is_before(*near));
    while (!is_next && first < end) {
        int64 middle = first + (end - first) / 2;
        if (is_before(middle))
            first = middle + 1;
        else
            end = middle;
    }
    if (!is_next)
        *near = first;
    return *near < rows.gone_count && ItemPointerEquals(&rows.gone[*near], tid);
}

Oid view_of_type(Oid type)
{
    Oid relation = OidIsValid(type) && get_typtype(type) == TYPTYPE_COMPOSITE ? get_typ_typrelid(type) : InvalidOid;
    return OidIsValid(relation) && get_rel_relkind(relation) == RELKIND_MATVIEW ? relation : InvalidOid;
}

} // namespace live

} // namespace refresh_mv
