#include "refresh/chunk.hpp"

#include "incremental/incremental.hpp"
#include "log/log_writer.hpp"
#include "query/meaning.hpp"
#include "query/nullness.hpp"
#include "refresh/make_way.hpp"
#include "refresh/row_condition.hpp"
#include "server/messages.hpp"
#include "store/chunk_progress.hpp"

namespace refresh_mv {

namespace {

// How many times a refresh that loses sight of the changes begins anew before it goes on without them.
constexpr int most_times_anew = 3;

// A refresh at work on one chunk.
struct Work {
    OpenView view;
    ChunkAxis axis;
    ChunkBound bound; // of what is done
    ChunkProgress progress;
    BaselineStatus baseline;
    Node *kept;               // the rows that keep_before lets it touch; null: all
    const char *kept_from;    // the bound of that, as text
};

bool nothing_is_done(const ChunkProgress &progress)
{
    return progress.bound == nullptr && !progress.only_nulls;
}

// What is done, and what is not.
ChunkPart done_part(const Work &work)
{
    return {true, work.progress.only_nulls ? ChunkBound{} : work.bound, {}, false};
}

ChunkPart part_to_do(const Work &work)
{
    return {!work.progress.only_nulls, {}, work.bound, true};
}

const char *mark_of(TimestampTz began)
{
    return psprintf("%s" INT64_FORMAT, baseline::chunks_mark, began);
}

// A condition and that keep_before lets the rows be touched.
Node *within_kept(const Work &work, Node *condition)
{
    return make_and_qual(condition, static_cast<Node *>(copyObjectImpl(work.kept)));
}

void check_populated(Relation view)
{
    if (!RelationIsPopulated(view))
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("materialized view \"%s\" has not been populated", RelationGetRelationName(view)),
                 errdetail("Readers would take its first chunks for the whole."),
                 errhint("Refresh it once without chunks.")));
}

// ---- whether to go on ----

void begin(Work *work, refresh::ChunkCall *call)
{
    call->horizon = {};
    call->before = 0;
    ChunkProgress progress{};
    progress.exists = true;
    progress.began = GetCurrentTimestamp();
    progress.uses = meaning::fingerprint(work->view.relation);
    progress.column = work->axis.column;
    progress.type = work->axis.type;
    progress.kept = work->kept_from;
    if (!work->baseline.tracked)
        progress.inexact = "the view is not tracked";
    else if (!work->baseline.can_save)
        progress.inexact = work->baseline.unknown;
    else if (call->anew > most_times_anew)
        progress.inexact = "what changed meanwhile was not known, again and again";
    work->progress = progress;
    work->bound = {};
}

enum class Course { on, anew, ended };

// Whether another session has refreshed the whole view meanwhile.
bool is_overtaken(const Work &work)
{
    if (!work.progress.exists)
        return true;
    return work.progress.inexact == nullptr && work.baseline.tracked && work.baseline.unknown == nullptr
           && strcmp(work.baseline.kept != nullptr ? work.baseline.kept : "", mark_of(work.progress.began)) != 0;
}

// Why what is done counts for nothing; null if it counts.
const char *reason_for_anew(const Work &work)
{
    const ChunkProgress &progress = work.progress;
    if (strcmp(progress.uses, meaning::fingerprint(work.view.relation)) != 0)
        return "the view's query, or something that it uses, has changed";
    if (progress.column != work.axis.column || progress.type != work.axis.type)
        return "it is divided by another column";
    if (progress.kept != nullptr || work.kept_from != nullptr) {
        const char *moved = row_condition::moved_back(progress.kept, work.kept_from);
        if (moved != nullptr)
            return moved;
    }
    if (progress.inexact != nullptr)
        return nullptr;
    return !work.baseline.tracked ? "the view is not tracked any more" : work.baseline.unknown;
}

// Decides whether to go on with what was done; *reason says why not, if that is worth telling.
Course find_course(const Work &work, const refresh::ChunkCall &call, const char **reason)
{
    bool first = call.done == 0 && call.anew == 0;
    *reason = nullptr;
    if (is_overtaken(work))
        return first ? Course::anew : Course::ended;
    if (first && !call.resume)
        return Course::anew;
    *reason = reason_for_anew(work);
    return *reason != nullptr ? Course::anew : Course::on;
}

// ---- the changes meanwhile ----

struct NoWay {
    const char *reason;
    bool anew; // it is not for the view's query, but for these changes
};

// Brings what is done to the active snapshot; throws NoWay.
void take_changes(const Work &work, RowCounts *rows)
{
    double cost = 0;
    Gate gate = guard([&] { return gate::of(work.view.relation, work.baseline.experience, work.baseline.pending); });
    BaselineStatus baseline = work.baseline;
    baseline.groups = nullptr; // states are of the whole view
    ExactScope scope = incremental::scope_to_read(work.view.relation, baseline, gate, &cost);
    if (scope.reason != nullptr)
        throw NoWay{scope.reason, cost > gate.limit};
    if (scope.fresh != nullptr && scope.held != nullptr) {
        Node *to_do = nullptr;
        Sides sides = guard([&] {
            Relation view = work.view.relation;
            Node *done = within_kept(work, chunk_axis::condition(view, work.axis, done_part(work)));
            to_do = within_kept(work, chunk_axis::condition(view, work.axis, part_to_do(work)));
            scope.held->jointree->quals = make_and_qual(scope.held->jointree->quals,
                                                        static_cast<Node *>(copyObjectImpl(done)));
            return Sides{scope.held, query::select_fresh(view, scope.fresh, done), scope.environment};
        });
        Merged merged{};
        if (!make_way::merge(work.view, sides, Method::full, to_do, &merged))
            throw NoWay{"a row has moved, with the same unique key as before", true};
        *rows = merged.rows;
    }
    guard([&] { incremental::release(&scope); });
}

// The same; why it could not be done, or null.  Nothing has been done then; *anew tells whether it may do to begin anew.
const char *follow_changes(Work *work, RowCounts *rows, bool *anew)
{
    const BaselineStatus &baseline = work->baseline;
    if (baseline.pending == 0 && !baseline.time_has_passed())
        return nullptr;
    try {
        subtransaction([&] {
            int level = guard([] { return NewGUCNestLevel(); }); // what suits the changes need not suit the chunk
            with_same_partitions(work->view.relation, [&] { take_changes(*work, rows); });
            guard([&] { AtEOXact_GUC(false, level); });
        });
        return nullptr;
    } catch (const NoWay &no) {
        *anew = no.anew;
        return no.reason;
    } catch (const PgError &error) {
        if (is_cancel(error.data) || is(error, ERRCODE_T_R_SERIALIZATION_FAILURE)
            || is(error, ERRCODE_T_R_DEADLOCK_DETECTED))
            throw;
        *anew = true; // it may be one of rows that are gone
        return guard([&] { return psprintf("it failed with SQLSTATE %s", unpack_sql_state(error.data->sqlerrcode)); });
    }
}

// ---- a chunk ----

// The part of the view that is next, and its query.
struct Next {
    ChunkPart part;   // of rows that the view holds
    ChunkPart wanted; // of rows of the query: where it has a value in all of them, those without one are left out
    ChunkPart rest;   // what is not done after it
    bool last;
    Query *fresh;
};

// Where the next chunk begins; where the calendar does not reach as far back as its length, at no bound.
ChunkBound find_start(Work *work, refresh::ChunkCall *call)
{
    ChunkBound from{};
    try {
        subtransaction([&] {
            from = guard([&] {
                return chunk_axis::next(work->view, work->axis, call->size, work->bound, work->kept, &call->horizon);
            });
        });
    } catch (const PgError &error) {
        if (!is(error, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE) && !is(error, ERRCODE_DATETIME_FIELD_OVERFLOW))
            throw;
    }
    return from;
}

// The query for a part.  What it need not read is a matter of speed: where that cannot be told, it reads more.
Query *query_for(const Work &work, const ChunkPart &part)
{
    Query *fresh = nullptr;
    try {
        subtransaction([&] {
            fresh = guard([&] {
                Query *query = query::rewritten(work.view.relation);
                chunk_axis::narrow(query, work.axis, part);
                return query;
            });
        });
        return fresh;
    } catch (const PgError &error) {
        if (is_cancel(error.data) || is(error, ERRCODE_T_R_SERIALIZATION_FAILURE))
            throw;
    }
    return guard([&] { return query::rewritten(work.view.relation); });
}

// Whether the query, as it is without being narrowed to a part, has a value in every row.
bool has_no_nulls(const Work &work)
{
    return nullness::never(query::rewritten(work.view.relation), work.axis.column);
}

Next find_next(Work *work, refresh::ChunkCall *call)
{
    Next next{};
    bool nulls_alone = work->progress.only_nulls;
    next.wanted = {!nulls_alone, nulls_alone ? ChunkBound{} : find_start(work, call), work->bound, nulls_alone};
    next.fresh = query_for(*work, next.wanted);
    bool at_end = !next.wanted.from.set;
    next.last = at_end && (nulls_alone || guard([&] { return has_no_nulls(*work); }));
    next.part = next.wanted;
    next.part.nulls = next.last;
    next.rest = {!at_end, {}, next.wanted.from, !next.last};
    return next;
}

// Merges the whole view at once.
Merged merge_rest(const OpenView &view)
{
    Scope all = guard([&] {
        Node *kept = kept_rows(view);
        return Scope{kept, query::rewritten(view.relation), kept};
    });
    return merge_scope(view, all, Method::full, false);
}

// Merges a part; where a unique index is in the way, the whole view, which is the last chunk then.
Merged merge_next(Work *work, Next *next)
{
    Merged merged{};
    Node *may_go = nullptr;
    Sides sides = guard([&] {
        Relation view = work->view.relation;
        Node *held = within_kept(*work, chunk_axis::condition(view, work->axis, next->part));
        Node *wanted = within_kept(*work, chunk_axis::condition(view, work->axis, next->wanted));
        if (next->rest.values || next->rest.nulls)
            may_go = within_kept(*work, chunk_axis::condition(view, work->axis, next->rest));
        return Sides{query::select_held(view, held), query::select_fresh(view, next->fresh, wanted), nullptr};
    });
    if (make_way::merge(work->view, sides, Method::full, may_go, &merged))
        return merged;
    notice("Refreshing the rest of it at once: a row has moved, with the same unique key as before");
    next->last = true;
    return merge_rest(work->view);
}

// ---- what is known afterwards ----

// Makes the states that go with a baseline, as of the active snapshot; null if there are none.
const char *make_states(Work *work, std::string *reason)
{
    const char *groups = nullptr;
    try {
        subtransaction([&] {
            guard([&] { incremental::query_with_state(work->view.relation, &groups); });
        });
    } catch (const PgError &error) {
        if (is_cancel(error.data) || is(error, ERRCODE_T_R_SERIALIZATION_FAILURE))
            throw;
        groups = nullptr;
        *reason += std::string("; no state of its groups could be made: it failed with SQLSTATE ")
                   + unpack_sql_state(error.data->sqlerrcode);
    }
    return groups;
}

// Makes the active snapshot the baseline of what is done, or has none if changes are not taken in.
void save_baseline(Work *work, bool last, const RowCounts &rows, std::string *reason)
{
    Oid view = RelationGetRelid(work->view.relation);
    bool changed = rows.inserted + rows.updated + rows.deleted > 0;
    const char *groups = nullptr;
    if (!work->baseline.tracked)
        return;
    if (work->progress.inexact != nullptr) {
        guard([&] {
            if (work->baseline.unknown == nullptr && (changed || baseline::is_of_chunks(work->baseline)))
                registry::give_up_baseline(view, "it was refreshed in chunks, each as of its own time");
        });
        return;
    }
    if (last)
        groups = make_states(work, reason);
    guard([&] {
        baseline::save(view, work->baseline, groups, last ? work->kept_from : mark_of(work->progress.began));
    });
}

void save_progress(Work *work, const Next &next, const char *size)
{
    Oid view = RelationGetRelid(work->view.relation);
    ChunkProgress *progress = &work->progress;
    if (next.last) {
        chunk_progress::forget(view);
        return;
    }
    progress->chunks++;
    progress->size = size;
    progress->only_nulls = !next.wanted.from.set;
    progress->bound = chunk_axis::sent(work->axis, next.wanted.from);
    progress->bound_text = chunk_axis::text(work->axis, next.wanted.from);
    progress->kept = work->kept_from;
    chunk_progress::save(view, *progress);
}

// Opens the view, and finds out how far its refresh has come.
Work open(Oid oid, const Request &request, const refresh::ChunkCall &call)
{
    Work work{};
    work.view = view::open(oid);
    work.view.run = request.run;
    check_populated(work.view.relation);
    view::check_serializable(work.view.relation);
    work.axis = chunk_axis::of(work.view, call.size);
    work.progress = chunk_progress::read(oid);
    const char *mark = work.progress.exists ? mark_of(work.progress.began) : nullptr;
    work.baseline = baseline::look(work.view.relation, work.view.settings.tracked, Amidst::refused, mark);
    work.kept = kept_rows(work.view);
    work.kept_from = row_condition::bound(work.view.window, work.view.settings.keep_before);
    return work;
}

// Begins the refresh, or goes on with it; false if another session has ended it.
bool take_up(Work *work, refresh::ChunkCall *call)
{
    const char *reason = nullptr;
    Course course = guard([&] { return find_course(*work, *call, &reason); });
    if (course == Course::ended)
        return false;
    if (course == Course::anew) {
        if (reason != nullptr) {
            notice("Beginning anew with the first chunk: %s", reason);
            call->anew++;
        }
        guard([&] { begin(work, call); });
    } else if (call->done == 0 && call->anew == 0) {
        notice("Going on where it was after %lld chunks", static_cast<long long>(work->progress.chunks));
        call->before = work->progress.chunks;
    }
    call->began = work->progress.began;
    guard([&] {
        if (!nothing_is_done(work->progress) && work->progress.bound != nullptr)
            work->bound = chunk_axis::received(work->axis, work->progress.bound);
    });
    return true;
}

// Takes in what has changed meanwhile, or does what follows if that cannot be done.
RowCounts catch_up(Work *work, refresh::ChunkCall *call)
{
    RowCounts rows{};
    bool anew = false;
    if (work->progress.inexact != nullptr || nothing_is_done(work->progress))
        return rows;
    const char *obstacle = follow_changes(work, &rows, &anew);
    guard([] {
        CommandCounterIncrement(); // the chunk is to see what has been written
        UpdateActiveSnapshotCommandId();
    });
    if (obstacle == nullptr)
        return rows;
    rows = {};
    if (anew && call->anew < most_times_anew) {
        notice("Beginning anew with the first chunk: %s", obstacle);
        call->anew++;
        guard([&] { begin(work, call); });
    } else
        work->progress.inexact = obstacle;
    return rows;
}

void add(RowCounts *sum, const RowCounts &rows)
{
    sum->inserted += rows.inserted;
    sum->updated += rows.updated;
    sum->deleted += rows.deleted;
    sum->unchanged += rows.unchanged;
}

} // namespace

refresh::ChunkResult refresh::next_chunk(Oid oid, const Request &request, ChunkCall *call)
{
    Work work = guard([&] { return open(oid, request, *call); });
    ChunkResult result{};
    result.refreshed.method = Method::full;
    result.refreshed.reason = "a full refresh was asked for";
    result.refreshed.oldest = work.baseline.oldest;
    result.tracked = work.baseline.tracked;
    if (!take_up(&work, call)) {
        guard([&] { view::close(&work.view); });
        result.finished = true;
        result.refreshed.reason += "; another session has refreshed the whole view meanwhile";
        return result;
    }
    add(&result.refreshed.rows, catch_up(&work, call));
    Next next = find_next(&work, call);
    RowCounts rows = merge_next(&work, &next).rows;
    if (rows.inserted + rows.updated + rows.unchanged == 0)
        call->horizon.known = false; // the next one may be far
    add(&result.refreshed.rows, rows);
    save_baseline(&work, next.last, result.refreshed.rows, &result.refreshed.reason);
    guard([&] {
        save_progress(&work, next, call->size_text);
        view::close(&work.view);
    });
    call->done++;
    result.finished = next.last;
    result.inexact = work.baseline.tracked && work.progress.inexact != nullptr ? work.progress.inexact : "";
    result.done_from = work.progress.bound_text != nullptr ? work.progress.bound_text : "";
    return result;
}

} // namespace refresh_mv
