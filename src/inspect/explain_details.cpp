#include "inspect/explain_details.hpp"

#include "query/deparse.hpp"
#include "tracking/source.hpp"

namespace refresh_mv::explain_details {

namespace {

void append_list(StringInfo text, const char *title, List *names)
{
    ListCell *cell;
    if (names != NIL)
        appendStringInfo(text, "%s: ", title);
    foreach (cell, names)
        appendStringInfo(text, "%s%s", foreach_current_index(cell) > 0 ? ", " : "",
                         static_cast<const char *>(lfirst(cell)));
    if (names != NIL)
        appendStringInfoChar(text, '\n');
}

// Which tables have the anchor, and how the others are read.
void append_anchor(StringInfo text, const Anchoring &anchoring)
{
    List *anchored = NIL;
    List *joined = NIL;
    List *whole = NIL;
    ListCell *cell;
    foreach (cell, anchoring.instances) {
        auto *instance = static_cast<Instance *>(lfirst(cell));
        const char *name = source::name(instance->relation);
        if (instance->anchor != 0)
            anchored = lappend(anchored, psprintf("%s.%s", name,
                                                  instance::column_name(instance->relation, instance->anchor)));
        else if (instance->joined)
            joined = lappend(joined, pstrdup(name));
        else
            whole = lappend(whole, pstrdup(name));
    }
    append_list(text, "anchor", anchored);
    append_list(text, "joined without it", joined);
    append_list(text, "read as a whole", whole);
}

const char *name_of(PartialKind kind)
{
    switch (kind) {
    case PartialKind::sum:
        return "sum";
    case PartialKind::count:
        return "count";
    case PartialKind::exact:
        return "exact sum";
    case PartialKind::smallest:
        return "smallest";
    case PartialKind::largest:
        return "largest";
    case PartialKind::values:
        return "distinct values";
    case PartialKind::members:
        return "distinct members";
    case PartialKind::extremes:
        return "extremes";
    }
    return "";
}

// The columns of the state.
void append_state(StringInfo text, const GroupShape &groups)
{
    List *columns = NIL;
    for (int i = 0; i < groups.nkeys; i++)
        columns = lappend(columns, psprintf("k%d %s", i + 1, format_type_be(exprType(
                                                reinterpret_cast<Node *>(groups.keys[i].expr)))));
    columns = lappend(columns, pstrdup("n bigint"));
    for (int i = 0; i < groups.npartials; i++)
        columns = lappend(columns, psprintf("p%d %s (%s)", i + 1, format_type_be(groups.partials[i].type),
                                            name_of(groups.partials[i].kind)));
    append_list(text, "state", columns);
}

} // namespace

const char *text(const ExactPlan &plan, bool with_state, const char *by_source, bool with_queries)
{
    StringInfoData text;
    ListCell *cell;

    initStringInfo(&text);
    if (plan.obstacle == nullptr)
        appendStringInfo(&text, "changes: by %s\n", plan.by_terms ? "signed terms" : "parts of the anchor");
    append_anchor(&text, plan.anchoring);
    if (with_state)
        append_state(&text, plan.groups);
    if (by_source != nullptr)
        appendStringInfoString(&text, by_source);
    foreach (cell, with_queries ? plan.queries : NIL) {
        auto *planned = static_cast<PlannedQuery *>(lfirst(cell));
        appendStringInfo(&text, "-- %s\n%s;\n", planned->name, deparse::text(planned->query));
    }
    return text.data;
}

} // namespace refresh_mv::explain_details
