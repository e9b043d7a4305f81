#include "inspect/advice.hpp"

#include "inspect/hypothetical_index.hpp"
#include "server/class_row.hpp"
#include "tracking/source.hpp"

namespace refresh_mv {

namespace {

// Text that fits into one line, so that what follows stays part of a comment.
char *one_line(const char *text)
{
    char *line = pstrdup(text);
    for (char *c = line; *c != '\0'; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    return line;
}

bool is_comment(const char *statement)
{
    return strncmp(statement, "--", 2) == 0;
}

// An index that saves less than this share of the costs is none to propose.
constexpr double least_gain = 0.2;
// Nor is there one for what costs less than this, in the planner's units.
constexpr double least_cost = 100;
constexpr int most_indexes = 3;
// In fewer rows than this nearly every column looks like a key.
constexpr double least_rows_for_key = 100;

char *qualified_name(Oid relation)
{
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation));
}

// The candidate that lowers the costs most, together with the indexes chosen so far; null
// if none lowers them enough.
Candidate *best(List *candidates, List *chosen, double (*cost)(void *), void *context, double *lowest,
                TimestampTz deadline)
{
    Candidate *best = nullptr;
    double limit = *lowest * (1 - least_gain);
    ListCell *cell;
    foreach (cell, candidates) {
        auto *candidate = static_cast<Candidate *>(lfirst(cell));
        if (GetCurrentTimestamp() > deadline)
            break;
        double with = hypothetical_index::with(lappend(list_copy(chosen), candidate), cost, context);
        // Of two that are as good the one with fewer columns.
        bool better = best == nullptr || with < *lowest * 0.95
                      || (with < *lowest * 1.05 && candidate->count < best->count);
        if (with > limit || !better)
            continue;
        *lowest = with;
        best = candidate;
    }
    return best;
}

// A unique index of a table over plain columns that could be NULL, else InvalidOid.
Oid nullable_key(Relation table)
{
    ListCell *cell;
    Oid found = InvalidOid;
    foreach (cell, RelationGetIndexList(table)) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        bool plain = index->rd_index->indisunique && index->rd_index->indimmediate
                     && RelationGetIndexPredicate(index) == NIL && RelationGetIndexExpressions(index) == NIL;
        if (plain && !OidIsValid(found))
            found = lfirst_oid(cell);
        index_close(index, NoLock);
    }
    return found;
}

// Whether statistics say that a column is different in each row, and never NULL.
bool looks_unique(Oid table, AttrNumber column)
{
    HeapTuple tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(table), Int16GetDatum(column),
                                      BoolGetDatum(get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE));
    if (!HeapTupleIsValid(tuple))
        return false;
    auto *statistics = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(tuple));
    bool unique = statistics->stadistinct == -1.0F && statistics->stanullfrac == 0.0F;
    ReleaseSysCache(tuple);
    return unique;
}

// The first column of a table that looks like a key; null if there is none.
const char *likely_key(Relation table)
{
    TupleDesc desc = RelationGetDescr(table);
    if (table->rd_rel->reltuples < least_rows_for_key)
        return nullptr;
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        if (!attribute->attisdropped && OidIsValid(GetDefaultOpClass(attribute->atttypid, BTREE_AM_OID))
            && looks_unique(RelationGetRelid(table), attribute->attnum))
            return NameStr(attribute->attname);
    }
    return nullptr;
}

// A column name that a table does not have yet.
const char *free_name(Oid table)
{
    const char *name = "id";
    for (int i = 2; get_attnum(table, name) != InvalidAttrNumber; i++)
        name = psprintf("id%d", i);
    return name;
}

// "ALTER COLUMN a SET NOT NULL, ..." for the columns of an index.
char *set_not_null(Relation table, Oid oid)
{
    StringInfoData text;
    Relation index = index_open(oid, AccessShareLock);
    initStringInfo(&text);
    for (int i = 0; i < index->rd_index->indnkeyatts; i++) {
        AttrNumber column = index->rd_index->indkey.values[i];
        if (!pg::is_not_null(RelationGetDescr(table), column))
            appendStringInfo(&text, "%sALTER COLUMN %s SET NOT NULL", text.len > 0 ? ", " : "",
                             quote_identifier(get_attname(RelationGetRelid(table), column, false)));
    }
    index_close(index, NoLock);
    return text.data;
}

} // namespace

namespace advice {

void add(List **remedies, const char *statement, const char *reason)
{
    ListCell *cell;
    foreach (cell, *remedies)
        if (strcmp(static_cast<Remedy *>(lfirst(cell))->statement, statement) == 0)
            return;
    auto *remedy = static_cast<Remedy *>(palloc(sizeof(Remedy)));
    *remedy = {is_comment(statement) ? one_line(statement) : statement, one_line(reason)};
    *remedies = lappend(*remedies, remedy);
}

void add_indexes(List **remedies, List *queries, double (*cost)(void *), void *context, const char *what,
                 TimestampTz deadline)
{
    List *candidates = hypothetical_index::candidates(queries);
    List *chosen = NIL;
    double now = cost(context);

    if (candidates == NIL || now < least_cost || GetCurrentTimestamp() > deadline
        || hypothetical_index::with(candidates, cost, context) > now * (1 - least_gain))
        return;
    while (list_length(chosen) < most_indexes) {
        double before = now;
        Candidate *index = best(candidates, chosen, cost, context, &now, deadline);
        if (index == nullptr)
            break;
        chosen = lappend(chosen, index);
        add(remedies, hypothetical_index::command(index), psprintf("%s: costs %.0f instead of %.0f", what, now, before));
    }
}

void add_key(List **remedies, Oid oid)
{
    Relation table = table_open(oid, AccessShareLock);
    Oid index = nullable_key(table);
    const char *column = likely_key(table);
    const char *name = qualified_name(oid);
    bool immediate = false;
    const char *primary = source::primary_key(table, &immediate);

    if (OidIsValid(index) && *set_not_null(table, index) != '\0')
        add(remedies, psprintf("ALTER TABLE %s %s", name, set_not_null(table, index)),
            psprintf("its unique index %s is a key then", get_rel_name(index)));
    else if (primary != nullptr)
        add(remedies, psprintf("ALTER TABLE %s ADD UNIQUE (%s)", name, primary),
            immediate ? "its primary key is by another equality than the = of its columns" : "its primary key is deferrable");
    else if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
        add(remedies, psprintf("-- ALTER TABLE %s ADD PRIMARY KEY with the columns of its partition key", name), "");
    else if (column != nullptr)
        add(remedies, psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", name, quote_identifier(column)),
            "to be tracked, rows need a key; by the statistics this is one, if it is meant to be");
    else
        add(remedies,
            psprintf("ALTER TABLE %s ADD COLUMN %s bigserial PRIMARY KEY", name, quote_identifier(free_name(oid))),
            "to be tracked, rows need a key");
    table_close(table, NoLock);
}

void add_analyze(List **remedies, List *tables)
{
    ListCell *cell;
    foreach (cell, tables) {
        FormData_pg_class table = class_row(lfirst_oid(cell)).form;
        if (table.reltuples < 0 && table.relkind != RELKIND_FOREIGN_TABLE)
            add(remedies, psprintf("ANALYZE %s", qualified_name(lfirst_oid(cell))),
                "it has never been analyzed: costs are guesses");
    }
}

const char *text(List *remedies)
{
    StringInfoData text;
    ListCell *cell;
    initStringInfo(&text);
    foreach (cell, remedies) {
        auto *remedy = static_cast<Remedy *>(lfirst(cell));
        bool comment = is_comment(remedy->statement);
        appendStringInfo(&text, "%s%s%s%s%s", text.len > 0 ? "\n" : "", remedy->statement, comment ? "" : ";",
                         *remedy->reason == '\0' ? "" : comment ? ": " : "  -- ", remedy->reason);
    }
    return text.data;
}

} // namespace advice

} // namespace refresh_mv
