#include "inspect/verify.hpp"

#include "incremental/old_state.hpp"
#include "inspect/right_answer.hpp"
#include "merge/diff.hpp"
#include "query/ambiguity.hpp"
#include "query/normalize.hpp"
#include "query/query.hpp"
#include "query/view.hpp"
#include "refresh/row_condition.hpp"
#include "refresh/view_status.hpp"
#include "server/bridge.hpp"
#include "tracking/baseline.hpp"
#include "tracking/net_changes.hpp"

namespace refresh_mv {

namespace {

// Of the rows of each kind so many are shown.
constexpr int sample_size = 5;

// What the view is compared with: its query now, or before those changes.
struct Reference {
    Query *query; // null: nothing
    Relation view;
    List *changes; // NetChanges *
    QueryEnvironment *environment; // null: now
    const Moment *as_of; // null: at present
};

Datum text_array(Datum *elements, int count)
{
    return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

// A row of the view as text.
Datum row_as_text(TupleTableSlot *slot)
{
    Datum row = ExecFetchSlotHeapTupleDatum(slot);
    return CStringGetTextDatum(OidOutputFunctionCall(F_RECORD_OUT, row));
}

// The first rows that a diff would insert.
Datum sample_of_fresh(Relation view, Diff *diff)
{
    Datum texts[sample_size];
    int count = 0;
    TupleDesc desc = BlessTupleDesc(CreateTupleDescCopy(RelationGetDescr(view)));
    TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    while (count < sample_size && tuplestore_gettupleslot(diff->fresh, true, false, slot))
        texts[count++] = row_as_text(slot);
    ExecDropSingleTupleTableSlot(slot);
    return text_array(texts, count);
}

// The first rows that a diff would delete.
Datum sample_of_gone(Relation view, Diff *diff)
{
    Datum texts[sample_size];
    int count = 0;
    bool null;
    TupleTableSlot *tids = MakeSingleTupleTableSlot(diff->gone_desc, &TTSOpsMinimalTuple);
    TupleTableSlot *slot = table_slot_create(view, nullptr);
    while (count < sample_size && tuplestore_gettupleslot(diff->gone, true, false, tids)) {
        ItemPointer tid = DatumGetItemPointer(slot_getattr(tids, 1, &null));
        if (!table_tuple_fetch_row_version(view, tid, GetActiveSnapshot(), slot))
            elog(ERROR, "could not read back a row of materialized view \"%s\"", RelationGetRelationName(view));
        texts[count++] = row_as_text(slot);
    }
    ExecDropSingleTupleTableSlot(tids);
    ExecDropSingleTupleTableSlot(slot);
    return text_array(texts, count);
}

// The view's query, as of a time if that is known, changed as the variant wants it.
Query *query_now(Relation view, const Moment *as_of, right_answer::Variant variant)
{
    Query *query = query::rewritten(view);
    if (as_of != nullptr)
        query = castNode(Query, time_conditions::at(reinterpret_cast<Node *>(query), *as_of));
    if (variant == right_answer::Variant::unchosen)
        latitude::unchoose(query);
    if (variant == right_answer::Variant::magnitudes)
        latitude::take_magnitudes(query, latitude::find(query));
    return query;
}

// The same on its tables as they were before the changes; null, with a reason, if that
// cannot be.
Query *query_before(const Reference &reference, right_answer::Variant variant, const char **reason)
{
    Query *query = query_now(reference.view, reference.as_of, variant);
    normalize::normalize(&query);
    Anchoring anchoring = anchor::choose(query, NIL);
    *reason = old_state::obstacle(anchoring);
    if (*reason != nullptr)
        return nullptr;
    old_state::apply(query, anchoring, reference.changes, TableState::before, nullptr, reference.environment);
    return query;
}

Query *variant_of(right_answer::Variant variant, void *context)
{
    auto *reference = static_cast<Reference *>(context);
    const char *reason;
    return reference->environment ? query_before(*reference, variant, &reason) : query_now(reference->view, reference->as_of, variant);
}

// Compares the rows that the view holds with those of a query, but for those that
// keep_before keeps.  With judged, tells whether they are another right answer.
Answer compare(const OpenView &view, Reference reference, bool with_samples, bool judged, Verification *result)
{
    Answer answer = Answer::unclear;
    Node *kept = row_condition::kept(view.relation, view.window, view.settings.keep_before);
    Diff *diff = diff::compute(view.relation, query::select_held(view.relation, kept),
                               query::select_fresh(view.relation, reference.query, kept), PairingKey{},
                               reference.environment);
    result->compared = true;
    result->missing = static_cast<int64>(diff->fresh_rows);
    result->extra = static_cast<int64>(diff->gone_rows);
    if (with_samples) {
        result->some_missing = sample_of_fresh(view.relation, diff);
        result->some_extra = sample_of_gone(view.relation, diff);
    }
    Query *query = query::rewritten(view.relation);
    if (judged && result->missing + result->extra > 0 && ambiguity::find(query) != nullptr)
        answer = right_answer::judge(view.relation, kept, diff, latitude::find(query), variant_of, &reference,
                                     reference.environment);
    diff::release(diff);
    return answer;
}

// As of what time a view whose baseline is known should be compared; null: at present.
const Moment *time_of(const BaselineStatus &baseline)
{
    return baseline.timed ? &baseline.as_of : nullptr;
}

// What a view should hold that is tracked and was refreshed before those changes; no
// query, with a reason, if that is not known.
Reference reference_before(Relation view, const BaselineStatus &baseline, const char **reason)
{
    Reference reference = {nullptr, view, NIL, guard([] { return create_queryEnv(); }), time_of(baseline)};
    reference.changes = net_changes::read(RelationGetRelid(view), baseline.sources, reference.environment, reason);
    if (*reason == nullptr)
        reference.query = guard([&] { return query_before(reference, right_answer::Variant::plain, reason); });
    return reference;
}

// What is known of a view before it is compared.
Verification before_comparison(const OpenView &view, const BaselineStatus &baseline)
{
    Verification result{};
    result.counted = baseline.tracked && baseline.unknown == nullptr;
    result.pending = baseline.pending;
    result.verdict = RelationIsPopulated(view.relation) ? Verdict::correct : Verdict::unpopulated;
    return result;
}

const char *plural(int64 count)
{
    return count == 1 ? "" : "s";
}

// Judges a tracked view whose changes are known and are there.
Answer verify_before(const OpenView &view, const BaselineStatus &baseline, bool with_samples, Verification *result)
{
    const char *reason;
    Answer answer = Answer::unclear;
    Reference reference = reference_before(view.relation, baseline, &reason);
    guard([&] {
        const char *stale = psprintf(INT64_FORMAT " change%s since its last refresh", baseline.pending,
                                     plural(baseline.pending));
        result->verdict = Verdict::stale;
        result->remark = stale;
        if (reference.query == nullptr)
            result->remark = psprintf("%s; what it should have held before is not known: %s", stale, reason);
        else
            answer = compare(view, reference, with_samples, true, result);
        if (result->missing + result->extra > 0) {
            result->verdict = Verdict::wrong;
            result->remark = psprintf("compared with its query before %s", stale);
        }
        ephemeral_rows::release_all(reference.environment);
    });
    return answer;
}

// Judges a view by what its query returns now.
Answer verify_now(const OpenView &view, const BaselineStatus &baseline, bool with_samples, Verification *result)
{
    bool known = baseline.tracked && baseline.unknown == nullptr;
    const Moment *as_of = known ? time_of(baseline) : nullptr;
    Reference reference = {query_now(view.relation, as_of, right_answer::Variant::plain), view.relation, NIL, nullptr, as_of};
    Answer answer = compare(view, reference, with_samples, known, result);
    if (as_of != nullptr && baseline.time_has_passed())
        result->remark = "compared with its query as of its last refresh, since it goes by the time";
    if (result->missing + result->extra == 0)
        return answer;
    result->verdict = !baseline.tracked             ? Verdict::different
                      : baseline.unknown != nullptr ? Verdict::stale
                                                     : Verdict::wrong;
    if (result->verdict == Verdict::different)
        result->remark = "the view is not tracked: it may be stale or wrong";
    if (result->verdict == Verdict::stale)
        result->remark = psprintf("what has changed since its last refresh is not known: %s", baseline.unknown);
    return answer;
}

// Takes it into account that a difference may be none.
void consider_ambiguity(Relation view, Answer answer, Verification *result)
{
    const char *ambiguous = ambiguity::find(query::rewritten(view));
    if (result->missing + result->extra == 0 || ambiguous == nullptr)
        return;
    bool wrong = result->verdict == Verdict::wrong && answer == Answer::wrong;
    if (result->verdict == Verdict::wrong && !wrong)
        result->verdict = Verdict::ambiguous;
    result->remark = psprintf("%s%sits query can have several right answers%s: %s",
                              result->remark ? result->remark : "", result->remark ? "; " : "",
                              wrong ? ", and this is none of them" : "", ambiguous);
}

} // namespace

namespace verify {

Verification verify(Oid oid)
{
    bool with_samples = guard([&] { return pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK; });
    BaselineStatus baseline{};
    OpenView view = guard([&] {
        view::lock_to_read(oid);
        view::push_snapshot();
        OpenView opened = view::open_to_read(oid);
        view::check_snapshot(opened.relation);
        baseline = view_status::look(opened);
        return opened;
    });
    Verification result = guard([&] { return before_comparison(view, baseline); });
    Answer answer = Answer::unclear;
    if (result.verdict == Verdict::correct) {
        if (result.counted && result.pending > 0)
            answer = verify_before(view, baseline, with_samples, &result);
        else
            answer = guard([&] { return verify_now(view, baseline, with_samples, &result); });
    }
    guard([&] {
        consider_ambiguity(view.relation, answer, &result);
        view::close(&view);
        PopActiveSnapshot();
    });
    return result;
}

} // namespace verify

} // namespace refresh_mv
