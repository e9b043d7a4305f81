#include "tracking/track.hpp"

#include "log/log_retention.hpp"
#include "log/log_writer.hpp"
#include "query/query.hpp"
#include "query/view.hpp"
#include "query/view_locks.hpp"
#include "server/class_row.hpp"
#include "store/state_tables.hpp"
#include "store/statement.hpp"
#include "store/view_settings.hpp"
#include "tracking/hypertable.hpp"
#include "tracking/logged_relation.hpp"
#include "tracking/registry.hpp"
#include "tracking/source.hpp"
#include "tracking/triggers.hpp"
#include "tracking/write_probe.hpp"

namespace refresh_mv {

namespace {

// ---- what can be tracked ----

[[noreturn]] void refuse(Oid view, const char *detail, const char *hint)
{
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("materialized view \"%s\" cannot be tracked", get_rel_name(view)),
             errdetail("%s.", detail), hint ? errhint("%s.", hint) : 0));
}

// The sources of a view by such a query, rewritten, if all of them can be logged and nothing
// but their data matters.
List *checked_sources(Oid view, Query *query)
{
    Constancy constancy = determinism::analyse_tracked(query, view::owner(view));
    if (constancy.depends_on != nullptr)
        refuse(view, psprintf("Its result depends on more than data: %s", constancy.depends_on),
               constancy.hint ? constancy.hint : "Leave it untracked, or take that out of its query");
    List *sources = source::read_by(query);
    ListCell *cell;
    foreach (cell, sources) {
        auto *source = static_cast<Source *>(lfirst(cell));
        if (source->obstacle != nullptr)
            refuse(view, source->obstacle, source->hint);
    }
    return sources;
}

// The same by its own query.
List *checked_sources(Oid view)
{
    Relation relation = view::open_existing(view, AccessShareLock);
    Query *query = query::rewritten(relation);
    table_close(relation, NoLock);
    return checked_sources(view, query);
}

// What other sessions have tracked has to be seen after locks were waited for.
void check_isolation(const char *command)
{
    if (IsolationUsesXactSnapshot())
        ereport(ERROR,
                (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                 errmsg("%s cannot be called in a transaction with isolation level REPEATABLE READ or SERIALIZABLE",
                        command)));
}

// Fails: the current user may not have the changes of a relation logged.
[[noreturn]] void lack_right(Oid relation)
{
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("permission denied to track changes of table \"%s\"", get_rel_name(relation)),
             errdetail("Tracking installs triggers, which slow down the table's writers."),
             errhint("GRANT TRIGGER ON %s TO %s", source::name(relation),
                     quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

// Fails unless the current user may have the changes of all sources logged.
void check_rights(List *sources)
{
    Oid denied = track::without_right(sources);
    if (OidIsValid(denied))
        lack_right(denied);
}

// The sources of a view, if the current user owns it and may have them all logged.
List *permitted_sources(Oid view)
{
    view::check_kind(view);
    view::check_owner(view);
    List *sources = checked_sources(view);
    check_rights(sources);
    return sources;
}

// ---- sources ----

// The layout of a source whose triggers are not even handed rows: that no view needs, or that cannot be logged.
constexpr int64 layout_without_rows = -1;

// Names the columns that are to be logged: the key's, and those that are used.
void choose_columns(TrackedSource *source, Relation relation, TrackingKey key, List *used)
{
    TupleDesc desc = RelationGetDescr(relation);
    auto *numbers = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * (desc->natts + 1)));
    int count = 0;

    for (int i = 0; i < key.count; i++) {
        source->key = lappend(source->key,
                              pstrdup(NameStr(TupleDescAttr(desc, key.columns[i] - 1)->attname)));
        numbers[count++] = key.columns[i];
    }
    for (int i = 0; i < desc->natts; i++) {
        char *name = NameStr(TupleDescAttr(desc, i)->attname);
        bool in_key = statement::contains(source->key, name);
        if (TupleDescAttr(desc, i)->attisdropped || (!in_key && !statement::contains(used, name)))
            continue;
        source->columns = lappend(source->columns, pstrdup(name));
        if (!in_key)
            numbers[count++] = i + 1;
    }
    source->layout = logged_relation::layout(relation, numbers, count, key.count);
}

// How a source is to be logged now, without its members; columns that it logs
// already stay.  coarse: no view needs its rows.
TrackedSource wanted(Oid relation, const TrackedSource *saved, List *used, bool on_commit, bool coarse)
{
    TrackedSource source{};
    Relation table = relation_open(relation, AccessShareLock);
    bool matview = table->rd_rel->relkind == RELKIND_MATVIEW;
    TrackingKey key = matview || source::has_foreign_part(relation) ? TrackingKey{} : source::tracking_key(table);
    source.relation = relation;
    source.on_commit = on_commit;
    source.key_index = key.index;
    source.coarse = coarse && OidIsValid(key.index);
    source.exact = matview || (OidIsValid(key.index) && !coarse);
    source.layout = source.coarse || (!source.exact && source::has_foreign_part(relation)) ? layout_without_rows : 0;
    if (source.exact)
        choose_columns(&source, table, key, saved ? list_concat_copy(used, saved->columns) : used);
    relation_close(table, NoLock);
    return source;
}

// Whether a member has the triggers that were installed on it, as it still needs them, and its chunks have theirs.
bool is_intact(List *members, Oid relation)
{
    const auto *member = source::find<Member>(members, relation);
    return member != nullptr && strcmp(member->fingerprint, triggers::fingerprint(relation)) == 0
           && !OidIsValid(triggers::uncovered_chunk(relation))
           && (get_rel_relispartition(relation) || triggers::tell_rows(relation) == source::is_inherited(relation));
}

// Whether a table was made by this transaction, and so has had no changes before.
bool is_new(Oid relation)
{
    ClassRow row = class_row(relation);
    return row.exists && TransactionIdIsCurrentTransactionId(row.xmin);
}

// What is to be done so that a source is logged for all views that read it.
struct Plan {
    TrackedSource source; // as it shall be, without its members
    List *members;        // that it shall have
    List *stale;          // of these: where triggers are to be installed
    List *gone;           // that have triggers and shall not
    bool changed;         // anything at all
    bool interrupted;     // changes may not have been logged until now
    bool known;           // the source was logged before
};

Plan plan(Oid relation)
{
    bool on_commit, coarse;
    List *used = registry::used_columns(relation, &on_commit, &coarse);
    TrackedSource saved{};
    bool known = registry::source(relation, &saved);
    Plan plan{};
    ListCell *cell;

    plan.source = wanted(relation, known ? &saved : nullptr, used, on_commit, coarse);
    plan.members = source::members(relation, NoLock);
    bool same_triggers = known && plan.source.layout == saved.layout
                         && plan.source.exact == saved.exact && saved.on_commit == on_commit;
    foreach (cell, plan.members) {
        bool intact = is_intact(saved.members, lfirst_oid(cell));
        if (!same_triggers || !intact)
            plan.stale = lappend_oid(plan.stale, lfirst_oid(cell));
        plan.interrupted |= !intact && !is_new(lfirst_oid(cell));
    }
    foreach (cell, saved.members) {
        Oid member = static_cast<Member *>(lfirst(cell))->relation;
        if (!list_member_oid(plan.members, member))
            plan.gone = lappend_oid(plan.gone, member);
    }
    plan.known = known;
    plan.interrupted |= plan.source.key_index != saved.key_index;
    plan.changed = plan.stale != NIL || plan.gone != NIL || plan.interrupted;
    return plan;
}

// Locks relations, and then their chunks, of which there are no new ones any more.
bool lock_all(List *relations, LOCKMODE mode, bool wait)
{
    ListCell *cell;
    foreach (cell, relations) {
        if (wait)
            LockRelationOid(lfirst_oid(cell), mode);
        else if (!ConditionalLockRelationOid(lfirst_oid(cell), mode))
            return false;
        if (!lock_all(hypertable::chunks(lfirst_oid(cell), NoLock), mode, wait))
            return false;
    }
    return true;
}

// Puts triggers on a table; fails if it could not be written to any more, if it could be
// until now.
void install_on(Oid member, const triggers::Arguments &arguments)
{
    bool worked = write_probe::wants(member) && write_probe::trouble(member) == nullptr;
    triggers::install(member, arguments);
    const char *trouble = worked ? write_probe::trouble(member) : nullptr;
    if (trouble != nullptr)
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("changes of table \"%s\" cannot be logged", get_rel_name(member)),
                 errdetail("With triggers of refresh_mv, writing to table %s would fail: %s.", source::name(member),
                           trouble),
                 errhint("An extension has a hand in this table. Leave the views that read it untracked.")));
}

// Carries out a plan whose stale members are locked.
void carry_out(Plan *plan)
{
    TrackedSource *source = &plan->source;
    List *others = NIL;
    ListCell *cell;

    foreach (cell, source->columns)
        if (!statement::contains(source->key, static_cast<char *>(lfirst(cell))))
            others = lappend(others, lfirst(cell));
    foreach (cell, plan->stale)
        install_on(lfirst_oid(cell),
                   {source->exact, source->layout != layout_without_rows,
                    source->on_commit, source->key, others, source->coarse});
    foreach (cell, plan->gone)
        if (get_rel_relkind(lfirst_oid(cell)) != '\0'
            && ConditionalLockRelationOid(lfirst_oid(cell), AccessExclusiveLock))
            triggers::remove(lfirst_oid(cell));
    foreach (cell, plan->members) {
        auto *member = static_cast<Member *>(palloc(sizeof(Member)));
        *member = {lfirst_oid(cell), triggers::fingerprint(lfirst_oid(cell))};
        source->members = lappend(source->members, member);
    }
    registry::save_source(*source);
    if (plan->interrupted && (plan->known || registry::has_baselines(source->relation)))
        log_writer::everything(source->relation, "changes were not logged for a while");
}

// Has a source logged for all views that read it; false, with nothing done, if a
// lock would have to be waited for and shall not.
bool install(Oid relation, bool wait)
{
    Plan first = plan(relation);
    if (!first.changed)
        return true;
    if (!lock_all(first.stale, ShareRowExclusiveLock, wait))
        return false;
    Plan locked = plan(relation); // as the locked tables are
    if (!lock_all(list_difference_oid(locked.stale, first.stale), ShareRowExclusiveLock, wait))
        return false;
    carry_out(&locked);
    return true;
}

// Stops logging a source that no view reads any more, or has what is left logged.  The
// triggers of a table that is in use, and not locked by us, stay for now.
void release(Oid relation)
{
    TrackedSource source{};
    List *locked = NIL;
    ListCell *cell;

    registry::source(relation, &source);
    foreach (cell, registry::count_readers(relation) > 0 ? NIL : source.members)
        locked = lappend_oid(locked, static_cast<Member *>(lfirst(cell))->relation);
    if (!lock_all(locked, AccessExclusiveLock, false))
        return;
    if (registry::count_readers(relation) > 0) { // meanwhile somebody may have begun
        if (get_rel_relkind(relation) != '\0')
            install(relation, false);
        return;
    }
    foreach (cell, locked)
        if (get_rel_relkind(lfirst_oid(cell)) != '\0')
            triggers::remove(lfirst_oid(cell));
    registry::forget_source(relation);
}

// Adds the locks on a table and its chunks.
List *add_with_chunks(List *wanted, Oid table, LOCKMODE mode)
{
    ListCell *cell;
    wanted = view_locks::add(wanted, table, mode);
    foreach (cell, hypertable::chunks(table, NoLock))
        wanted = view_locks::add(wanted, lfirst_oid(cell), mode);
    return wanted;
}

// Adds the locks that it takes to track a view with such sources (Source *).
List *add_locks(List *wanted, Oid view, List *sources)
{
    ListCell *cell, *member;
    foreach (cell, sources)
        foreach (member, source::members(static_cast<Source *>(lfirst(cell))->relation, NoLock))
            wanted = add_with_chunks(wanted, lfirst_oid(member), ShareRowExclusiveLock);
    return view_locks::add(wanted, view, NoLock);
}

// Whether a source is logged already as a view needs it.
bool is_logged(Source *source, bool on_commit)
{
    TrackedSource known{};
    return registry::source(source->relation, &known) && (known.on_commit || !on_commit)
           && track::damage(list_make1(source), list_make1(&known)) == nullptr;
}

// How many of the views read a source.
int64 count_reading(List *views, Oid relation)
{
    int64 count = 0;
    ListCell *cell;
    foreach (cell, views)
        count += source::find<TrackedSource>(registry::sources_now(lfirst_oid(cell)), relation) != nullptr;
    return count;
}

// The locks that it takes to track views no more: tables lose their triggers if no other
// view reads them.
List *locks_to_untrack(List *views)
{
    List *wanted = NIL;
    ListCell *view, *cell, *member;
    foreach (view, views) {
        foreach (cell, registry::sources_now(lfirst_oid(view))) {
            auto *source = static_cast<TrackedSource *>(lfirst(cell));
            bool last = registry::count_readers(source->relation) == count_reading(views, source->relation);
            foreach (member, last ? source->members : NIL)
                wanted = add_with_chunks(wanted, static_cast<Member *>(lfirst(member))->relation, AccessExclusiveLock);
        }
        wanted = view_locks::add(wanted, lfirst_oid(view), NoLock);
    }
    return wanted;
}

// ---- views ----

// Whether the view's tracking already is what it should be.
bool is_whole(Oid view, List *sources, bool on_commit, bool coarse)
{
    List *saved = registry::sources_now(view);
    return saved != NIL && track::damage(sources, saved) == nullptr
           && view_settings::read(view).tracked && view_settings::read(view).on_commit == on_commit
           && view_settings::read(view).coarse == coarse;
}

void set(Oid view, bool tracked, bool on_commit, bool coarse)
{
    SettingChange changes[] = {{"tracked", BOOLOID, BoolGetDatum(tracked), false},
                               {"coarse", BOOLOID, BoolGetDatum(coarse), false},
                               {"on_commit", BOOLOID, BoolGetDatum(on_commit), false}};
    view_settings::change(view, changes, lengthof(changes));
}

// Writes down that a view is tracked and has its sources logged; false if a lock
// would have to be waited for and shall not.
bool save(Oid view, List *sources, bool on_commit, bool coarse, bool wait)
{
    List *saved = registry::sources_now(view);
    bool whole = saved != NIL && track::damage(sources, saved) == nullptr;
    ListCell *cell;

    set(view, true, on_commit, coarse);
    List *before = registry::forget_view(view);
    registry::save_view(view, sources, on_commit, coarse);
    foreach (cell, sources)
        if (!install(static_cast<Source *>(lfirst(cell))->relation, wait))
            return false;
    foreach (cell, before)
        release(lfirst_oid(cell));
    if (!whole)
        registry::give_up_baseline(view, "the view has not been refreshed since it is tracked");
    return true;
}

// Whether triggers of a source have been disabled, on purpose no doubt.
bool has_disabled_triggers(List *sources)
{
    ListCell *cell, *member;
    foreach (cell, sources)
        foreach (member, source::members(static_cast<Source *>(lfirst(cell))->relation, NoLock))
            if (triggers::are_disabled(lfirst_oid(member)))
                return true;
    return false;
}

// Whether images of a source's rows would still be written, and read, as its saved layout
// says.  Not after pg_upgrade, which makes another cluster.
bool has_saved_layout(const TrackedSource *saved)
{
    List *names = list_copy(saved->key);
    ListCell *cell;
    int count = 0;

    foreach (cell, saved->columns)
        if (!statement::contains(saved->key, static_cast<char *>(lfirst(cell))))
            names = lappend(names, lfirst(cell));
    auto *numbers = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * (list_length(names) + 1)));
    foreach (cell, names) {
        numbers[count] = get_attnum(saved->relation, static_cast<char *>(lfirst(cell)));
        if (numbers[count++] <= 0)
            return false;
    }
    Relation relation = relation_open(saved->relation, AccessShareLock);
    int64 layout = logged_relation::layout(relation, numbers, count, list_length(saved->key));
    relation_close(relation, NoLock);
    return layout == saved->layout;
}

} // namespace

namespace track {

Oid without_right(List *sources)
{
    ListCell *cell, *member;
    foreach (cell, sources)
        foreach (member, source::members(static_cast<Source *>(lfirst(cell))->relation, NoLock))
            if (pg_class_aclcheck(lfirst_oid(member), GetUserId(), ACL_TRIGGER) != ACLCHECK_OK
                && !view::is_owner(lfirst_oid(member)))
                return lfirst_oid(member);
    return InvalidOid;
}

const char *damage(List *sources, List *saved)
{
    ListCell *cell;

    if (saved != NIL && list_length(saved) != list_length(sources))
        return "its sources are other ones now";
    foreach (cell, sources) {
        auto *source = static_cast<Source *>(lfirst(cell));
        const char *name = source::name(source->relation);
        TrackedSource *known = source::find<TrackedSource>(saved, source->relation);
        if (source->obstacle != nullptr)
            return source->obstacle;
        if (known == nullptr)
            return psprintf("changes of %s are not logged", name);
        bool coarse = source->exact && !known->exact && known->layout == layout_without_rows;
        if (coarse && !known->coarse)
            return psprintf("changes of %s are captured coarsely", name);
        if ((known->exact != source->exact && !coarse) || known->key_index != source->key.index)
            return psprintf("the key of %s has changed", name);
        int column = -1;
        while ((column = bms_next_member(source->columns, column)) >= 0)
            if (source->exact && !coarse
                && !statement::contains(known->columns,
                             get_attname(source->relation, static_cast<AttrNumber>(column), false)))
                return psprintf("not all columns of %s are logged", name);
        ListCell *logged;
        foreach (logged, known->columns)
            if (get_attnum(source->relation, static_cast<char *>(lfirst(logged))) == InvalidAttrNumber)
                return psprintf("a column of %s that is logged is gone", name);
        if (known->exact && !has_saved_layout(known))
            return psprintf("rows of %s are logged in another form now", name);
        List *members = source::members(source->relation, NoLock);
        ListCell *member;
        foreach (member, known->members)
            if (!list_member_oid(members, static_cast<Member *>(lfirst(member))->relation))
                return psprintf("%s has lost a partition", name);
        foreach (member, members)
            if (!is_intact(known->members, lfirst_oid(member)))
                return psprintf("the triggers on %s are not as they were installed",
                                source::name(lfirst_oid(member)));
    }
    return nullptr;
}

List *locks(List *wanted, Oid view)
{
    return add_locks(wanted, view, permitted_sources(view));
}

void track(Oid view, const bool *on_commit, const bool *coarse)
{
    check_isolation("refresh_mv.track()");
    List *sources = permitted_sources(view);
    bool commit = on_commit ? *on_commit : view_settings::read(view).on_commit;
    bool without_rows = coarse ? *coarse : view_settings::read(view).coarse;
    if (is_whole(view, sources, commit, without_rows))
        return;
    // Locks before rows: a refresh has its locks when it writes the rows.
    view_locks::take(add_locks(NIL, view, sources));
    save(view, sources, commit, without_rows, true);
}

List *locks_to_follow(List *wanted, Oid view, Query *query)
{
    ViewSettings settings = view_settings::read(view);
    ListCell *cell, *member;

    if (!settings.tracked)
        return wanted;
    check_isolation("refresh_mv.replace_query()");
    List *sources = checked_sources(view, query);
    check_rights(sources);
    foreach (cell, sources) {
        auto *source = static_cast<Source *>(lfirst(cell));
        if (is_logged(source, settings.on_commit))
            continue;
        foreach (member, source::members(source->relation, NoLock))
            wanted = add_with_chunks(wanted, lfirst_oid(member), ShareRowExclusiveLock);
    }
    return wanted;
}

void follow_query(Oid view)
{
    ViewSettings settings = view_settings::read(view);
    if (!settings.tracked)
        return;
    save(view, checked_sources(view), settings.on_commit, settings.coarse, true);
    registry::give_up_baseline(view, "its query was replaced");
    state_tables::drop(view);
}

// Stops tracking a view that is locked.
static void untrack_locked(Oid view)
{
    ListCell *cell;
    List *saved = registry::sources_now(view);
    set(view, false, false, false);
    registry::forget_view(view);
    // Of a source that others read too, columns may go on being logged in vain if it is in use.
    foreach (cell, saved)
        release(static_cast<TrackedSource *>(lfirst(cell))->relation);
    registry::drop_baseline(view);
    state_tables::drop(view);
}

void untrack(List *views)
{
    List *tracked = NIL;
    ListCell *cell;

    check_isolation("refresh_mv.untrack()");
    foreach (cell, views) {
        view::check_kind(lfirst_oid(cell));
        view::check_owner(lfirst_oid(cell));
        if (view_settings::read(lfirst_oid(cell)).tracked)
            tracked = lappend_oid(tracked, lfirst_oid(cell));
    }
    view_locks::take(locks_to_untrack(tracked));
    foreach (cell, tracked)
        untrack_locked(lfirst_oid(cell));
}

void sweep()
{
    ListCell *cell;
    if (IsolationUsesXactSnapshot())
        return;
    foreach (cell, registry::unread_sources())
        release(lfirst_oid(cell));
    foreach (cell, registry::stray_tables()) {
        if (!ConditionalLockRelationOid(lfirst_oid(cell), AccessExclusiveLock))
            continue;
        if (list_member_oid(registry::stray_tables(), lfirst_oid(cell)))
            triggers::remove(lfirst_oid(cell));
        else // meanwhile it has been dropped, or attached again
            UnlockRelationOid(lfirst_oid(cell), AccessExclusiveLock);
    }
    if (log_retention::may_delete()) {
        log_retention::purge(InvalidOid);
        log_retention::delete_orphans();
    }
    state_tables::drop_orphans();
}

bool is_damaged(Oid view)
{
    if (!view_settings::read(view).tracked)
        return false;
    Relation relation = table_open(view, NoLock);
    bool damaged = damage(source::read_by(query::rewritten(relation)), registry::sources_of(view)) != nullptr;
    table_close(relation, NoLock);
    return damaged;
}

bool resume(Oid view)
{
    Oid saved_user;
    int saved_context;

    GetUserIdAndSecContext(&saved_user, &saved_context);
    SetUserIdAndSecContext(view::owner(view), saved_context | SECURITY_LOCAL_USERID_CHANGE);
    List *sources = permitted_sources(view); // by the owner's rights
    if (has_disabled_triggers(sources))
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("triggers of refresh_mv have been disabled"),
                 errhint("Enable them, or call refresh_mv.track().")));
    bool resumed = save(view, sources, view_settings::read(view).on_commit, view_settings::read(view).coarse, false);
    SetUserIdAndSecContext(saved_user, saved_context);
    return resumed;
}

const char *obstacle(const ErrorData *error)
{
    return error->sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED && error->detail ? error->detail
                                                                               : error->message;
}

bool adapt(Oid relation)
{
    ListCell *cell;
    foreach (cell, source::members(relation, NoLock))
        if (triggers::are_disabled(lfirst_oid(cell)))
            return false;
    // With a foreign part, writers fail as long as triggers ask for their rows.
    return install(relation, source::has_foreign_part(relation));
}

void warn_of_publications()
{
    SPI_connect();
    statement::execute("SELECT refresh_mv_internal.warn_of_publications()", statement::Values(), SPI_OK_SELECT);
    SPI_finish();
}

} // namespace track

} // namespace refresh_mv
