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

// A statement on a source that runs while the view is refreshed (from its row
// trigger, say) has changed rows and has not logged them.
void check_no_open_statement(List *sources)
{
    ListCell *cell;
    foreach (cell, sources) {
        Oid relation = static_cast<Source *>(lfirst(cell))->relation;
        if (open_statements::is_open(relation))
            ereport(ERROR,
                    (errcode(ERRCODE_OBJECT_IN_USE),
                     errmsg("cannot refresh a tracked materialized view while a statement is changing table \"%s\"",
                            get_rel_name(relation)),
                     errhint("Refresh it after the statement, or on commit.")));
    }
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

const char *reason(const Standing &standing, const Knowledge &knowledge)
{
    if (!standing.baseline)
        return "the view has not been refreshed since it is tracked";
    if (standing.reason != nullptr)
        return standing.reason;
    if ((standing.settings == nullptr) != (knowledge.settings == nullptr)
        || (standing.settings != nullptr && strcmp(standing.settings, knowledge.settings) != 0))
        return "settings that its result depends on have changed (TimeZone, DateStyle, labels of an enum, ...)";
    if (standing.meaning == nullptr || strcmp(standing.meaning, knowledge.meaning) != 0)
        return "a function, type or view that it uses has changed";
    return source_files::change(standing.files, knowledge.files);
}

} // namespace

namespace baseline {

Knowledge look(Relation view, bool tracked)
{
    Knowledge knowledge{};
    knowledge.tracked = tracked;
    if (!tracked)
        return knowledge;

    Query *query = query::rewritten(view);
    Constancy constancy = determinism::analyse(query);
    List *sources = source::read_by(query);
    check_no_open_statement(sources);
    if (constancy.depends_on != nullptr)
        knowledge.unknown = psprintf("its result depends on more than data: %s", constancy.depends_on);
    else {
        knowledge.sources = registry::sources_of(RelationGetRelid(view));
        knowledge.unknown = track::damage(sources, knowledge.sources);
        knowledge.damaged = knowledge.unknown != nullptr;
    }
    knowledge.baseline = knowledge.unknown == nullptr;
    if (!knowledge.baseline)
        return knowledge;

    knowledge.settings = setting_values::text(constancy);
    knowledge.meaning = meaning::fingerprint(view);
    knowledge.files = source_files::fingerprint(knowledge.sources);
    Standing standing = registry::standing(RelationGetRelid(view), knowledge.sources);
    knowledge.other_meaning = standing.meaning != nullptr && strcmp(standing.meaning, knowledge.meaning) != 0;
    knowledge.unknown = unlogged_rows(sources);
    if (knowledge.unknown == nullptr)
        knowledge.unknown = reason(standing, knowledge);
    knowledge.pending = standing.pending;
    knowledge.groups = standing.groups;
    knowledge.entries = standing.entries;
    return knowledge;
}

void save(Oid view, const Knowledge &knowledge, const char *groups)
{
    bool may_purge = knowledge.entries > 0 && log_retention::may_delete();
    registry::save_baseline(view, {knowledge.settings, knowledge.meaning, groups, knowledge.files}, may_purge);
    if (knowledge.other_meaning)
        registry::save_uses(view);
    if (may_purge)
        log_retention::purge(view);
}

} // namespace baseline

} // namespace refresh_mv
