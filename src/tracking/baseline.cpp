#include "tracking/baseline.hpp"

#include "log/log_retention.hpp"
#include "log/open_statements.hpp"
#include "log/replica.hpp"
#include "query/meaning.hpp"
#include "query/query.hpp"
#include "query/setting_values.hpp"
#include "tracking/registry.hpp"
#include "tracking/source.hpp"
#include "tracking/source_files.hpp"
#include "tracking/track.hpp"

namespace refresh_mv {

namespace {

// The source of which a statement runs while the view is refreshed (from its row trigger, say):
// it has changed rows and has not logged them.  InvalidOid if there is none.
Oid changing_source(List *sources)
{
    ListCell *cell;
    foreach (cell, sources) {
        Oid relation = static_cast<Source *>(lfirst(cell))->relation;
        if (open_statements::is_open(relation))
            return relation;
    }
    return InvalidOid;
}

// Fails because of such a statement, or tells why changes are not known.
const char *amidst_statement(Oid source, Amidst amidst)
{
    if (amidst == Amidst::refused)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_IN_USE),
                 errmsg("cannot refresh a tracked materialized view while a statement is changing table \"%s\"",
                        get_rel_name(source)),
                 errhint("Refresh it after the statement, or on commit.")));
    return psprintf("a statement is changing %s", get_rel_name(source));
}

// Rows that are applied one by one are logged by a row trigger.  While any of a source's row
// triggers is at work, that one may be yet to come; why changes are not known then, or null.
const char *unlogged_rows(List *sources)
{
    ListCell *cell, *member;
    if (!replica::is_amidst_rows())
        return nullptr;
    foreach (cell, sources)
        foreach (member, source::members(static_cast<Source *>(lfirst(cell))->relation, NoLock))
            if (AfterTriggerPendingOnRel(lfirst_oid(member)))
                return psprintf("rows of %s are being applied", source::name(lfirst_oid(member)));
    return nullptr;
}

bool is_mark(const char *kept)
{
    return kept != nullptr && strncmp(kept, baseline::chunks_mark, strlen(baseline::chunks_mark)) == 0;
}

const char *reason(const Standing &standing, const BaselineStatus &baseline, const char *mark)
{
    if (!standing.baseline)
        return "the view has not been refreshed since it is tracked";
    if (standing.reason != nullptr)
        return standing.reason;
    if (is_mark(standing.kept) && (mark == nullptr || strcmp(standing.kept, mark) != 0))
        return "a refresh of it in chunks has not ended";
    if ((standing.settings == nullptr) != (baseline.settings == nullptr)
        || (standing.settings != nullptr && strcmp(standing.settings, baseline.settings) != 0))
        return "settings that its result depends on have changed (TimeZone, DateStyle, labels of an enum, ...)";
    if (standing.meaning == nullptr || strcmp(standing.meaning, baseline.meaning) != 0)
        return "a function, type or view that it uses has changed";
    if (baseline.timed && !standing.timed)
        return "as of what time it was refreshed is not known";
    return source_files::change(standing.files, baseline.files);
}

} // namespace

namespace baseline {

bool is_of_chunks(const BaselineStatus &baseline)
{
    return is_mark(baseline.kept);
}

BaselineStatus look(Relation view, bool tracked, Amidst amidst, const char *mark)
{
    BaselineStatus baseline{};
    baseline.tracked = tracked;
    if (!tracked)
        return baseline;

    Query *query = query::rewritten(view);
    Constancy constancy = determinism::analyse_tracked(query, view->rd_rel->relowner);
    List *sources = source::read_by(query);
    Oid changing = changing_source(sources);
    if (OidIsValid(changing))
        baseline.unknown = amidst_statement(changing, amidst);
    else if (constancy.depends_on != nullptr)
        baseline.unknown = psprintf("its result depends on more than data: %s", constancy.depends_on);
    else {
        baseline.sources = registry::sources_of(RelationGetRelid(view));
        baseline.unknown = track::damage(sources, baseline.sources);
        baseline.damaged = baseline.unknown != nullptr;
    }
    baseline.can_save = baseline.unknown == nullptr;
    if (!baseline.can_save)
        return baseline;

    baseline.timed = constancy.reads_time;
    baseline.settings = setting_values::text(constancy);
    baseline.meaning = meaning::fingerprint(view);
    baseline.files = source_files::fingerprint(baseline.sources);
    Standing standing = registry::standing(RelationGetRelid(view), baseline.sources);
    baseline.other_meaning = standing.meaning != nullptr && strcmp(standing.meaning, baseline.meaning) != 0;
    baseline.unknown = unlogged_rows(sources);
    if (baseline.unknown == nullptr)
        baseline.unknown = reason(standing, baseline, mark);
    baseline.pending = standing.pending;
    baseline.oldest = standing.oldest;
    baseline.groups = standing.groups;
    baseline.kept = standing.kept;
    baseline.entries = standing.entries;
    baseline.experience = standing.experience;
    baseline.as_of = standing.as_of;
    return baseline;
}

void save(Oid view, const BaselineStatus &baseline, const char *groups, const char *kept)
{
    bool may_purge = baseline.entries > 0 && log_retention::may_delete();
    registry::save_baseline(view, {baseline.settings, baseline.meaning, groups, baseline.files, baseline.timed, kept,
                                   baseline.experience}, may_purge);
    if (baseline.other_meaning)
        registry::save_uses(view);
    if (may_purge)
        log_retention::purge(view);
}

} // namespace baseline

} // namespace refresh_mv
