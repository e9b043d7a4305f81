#include "inspect/changes.hpp"

#include "log/log_reader.hpp"
#include "query/view.hpp"
#include "server/bridge.hpp"
#include "tracking/baseline.hpp"
#include "tracking/logged_relation.hpp"
#include "tracking/registry.hpp"
#include "tracking/source.hpp"
#include "values/row_image.hpp"

namespace refresh_mv {

namespace {

// A source, and how to take its rows out of the log.
struct Reader {
    TrackedSource source;
    int64 layout; // of its entries, as its columns are now
    int nkeys;
    int ncolumns;
    Form_pg_attribute *columns; // key columns first
    int *places;                // of those columns, in the row as it is shown
    TupleDesc key_desc;
    TupleDesc row_desc;
    FmgrInfo *key_output; // each remembers the columns of its rows
    FmgrInfo *row_output;
};

[[noreturn]] void unknown(Oid source, const char *reason)
{
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("changes of \"%s\" since the last refresh are not known row by row",
                    get_rel_name(source)),
             errdetail("The reason is: %s.", reason),
             errhint("The next smart refresh will be a full one.")));
}

bool is_key(List *key, const char *name, int *place)
{
    ListCell *cell;
    foreach (cell, key)
        if (strcmp(static_cast<char *>(lfirst(cell)), name) == 0) {
            *place = foreach_current_index(cell);
            return true;
        }
    return false;
}

// A row description of some of a relation's columns.
TupleDesc describe(Form_pg_attribute *columns, int count)
{
    TupleDesc desc = CreateTemplateTupleDesc(count);
    for (int i = 0; i < count; i++) {
        TupleDescInitEntry(desc, i + 1, NameStr(columns[i]->attname), columns[i]->atttypid,
                           columns[i]->atttypmod, 0);
        TupleDescInitEntryCollation(desc, i + 1, columns[i]->attcollation);
    }
    return BlessTupleDesc(pg::finished(desc));
}

// A row as text.
Datum row_text(TupleDesc desc, FmgrInfo *output, Datum *values, bool *nulls)
{
    Datum row = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
    return CStringGetTextDatum(OutputFunctionCall(output, row));
}

FmgrInfo *record_output()
{
    auto *output = static_cast<FmgrInfo *>(palloc(sizeof(FmgrInfo)));
    fmgr_info(F_RECORD_OUT, output);
    return output;
}

Reader open_reader(const TrackedSource &source)
{
    Reader reader{};
    Relation relation = relation_open(source.relation, AccessShareLock);
    TupleDesc desc = RelationGetDescr(relation);
    int shown = list_length(source.columns);
    auto **row = static_cast<Form_pg_attribute *>(palloc(sizeof(void *) * (shown + 1)));
    auto *numbers = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * (shown + 1)));
    ListCell *cell;

    reader.source = source;
    reader.nkeys = list_length(source.key);
    reader.ncolumns = shown;
    reader.columns = static_cast<Form_pg_attribute *>(palloc(sizeof(void *) * (shown + 1)));
    reader.places = static_cast<int *>(palloc(sizeof(int) * (shown + 1)));
    int next = reader.nkeys;
    foreach (cell, source.columns) {
        auto *name = static_cast<char *>(lfirst(cell));
        AttrNumber number = get_attnum(source.relation, name);
        int place;
        if (number <= 0)
            unknown(source.relation, psprintf("column %s does not exist any more", name));
        auto *copy = static_cast<Form_pg_attribute>(palloc(ATTRIBUTE_FIXED_PART_SIZE));
        memcpy(copy, TupleDescAttr(desc, number - 1), ATTRIBUTE_FIXED_PART_SIZE);
        row[foreach_current_index(cell)] = copy;
        if (!is_key(source.key, name, &place))
            place = next++;
        reader.columns[place] = copy;
        numbers[place] = number;
        reader.places[place] = foreach_current_index(cell);
    }
    reader.layout = logged_relation::layout(relation, numbers, shown, reader.nkeys);
    reader.key_desc = describe(reader.columns, reader.nkeys);
    reader.row_desc = describe(row, shown);
    reader.key_output = record_output();
    reader.row_output = record_output();
    relation_close(relation, NoLock);
    return reader;
}

void take(const Reader &reader, std::string_view bytes, int first, int end, Datum *values,
          bool *nulls)
{
    const char *start = bytes.data();
    for (int i = first; i < end; i++)
        if (!row_image::read(&start, bytes.data() + bytes.size(), reader.columns[i], &values[i],
                             &nulls[i]))
            unknown(reader.source.relation, "the log is damaged");
}

// Changes on their way to the result.
struct Output {
    Reader reader;
    ReturnSetInfo *result;
};

// Puts one change into the result.
bool put_change(const NetChange &change, void *context)
{
    const Reader &reader = static_cast<Output *>(context)->reader;
    ReturnSetInfo *result = static_cast<Output *>(context)->result;
    Datum values[MaxHeapAttributeNumber], row[MaxHeapAttributeNumber], pair[2] = {};
    bool nulls[MaxHeapAttributeNumber], row_nulls[MaxHeapAttributeNumber], pair_nulls[2] = {};
    bool bag = reader.nkeys == 0;

    take(reader, change.key, 0, bag ? reader.ncolumns : reader.nkeys, values, nulls);
    if (bag)
        pair_nulls[0] = true;
    else
        pair[0] = row_text(reader.key_desc, reader.key_output, values, nulls);
    pair_nulls[1] = change.existed <= 0;
    if (change.existed > 0) {
        if (!bag)
            take(reader, change.rest, reader.nkeys, reader.ncolumns, values, nulls);
        for (int i = 0; i < reader.ncolumns; i++) {
            row[reader.places[i]] = values[i];
            row_nulls[reader.places[i]] = nulls[i];
        }
        pair[1] = row_text(reader.row_desc, reader.row_output, row, row_nulls);
    }
    for (int64 i = bag ? Max(change.existed, 0) : 1; i > 0; i--)
        tuplestore_putvalues(result->setResult, result->setDesc, pair, pair_nulls);
    return true;
}

// The source among those of the view that a table belongs to.
TrackedSource find_source(Oid view, Oid table)
{
    ListCell *cell;
    Relation relation = try_relation_open(table, AccessShareLock);
    if (relation == nullptr)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_TABLE),
                 errmsg("relation with OID %u does not exist", table)));
    Oid source = logged_relation::source_of(relation);
    relation_close(relation, NoLock);
    foreach (cell, registry::sources_of(view)) {
        auto *tracked = static_cast<TrackedSource *>(lfirst(cell));
        if (tracked->relation == source)
            return *tracked;
    }
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("materialized view \"%s\" is not tracked, or does not read \"%s\"",
                    get_rel_name(view), get_rel_name(table))));
}

Reader checked_reader(Oid view, Oid table)
{
    Relation relation = view::open_existing(view, AccessShareLock);
    view::push_snapshot();
    TrackedSource source = find_source(view, table);
    // The log has the rows of the whole partition tree.
    if (pg_class_aclcheck(source.relation, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(source.relation));
    view::check_snapshot(relation);
    BaselineStatus baseline = baseline::look(relation, true);
    table_close(relation, NoLock);
    if (baseline.unknown != nullptr)
        unknown(source.relation, baseline.unknown);
    if (!source.exact)
        unknown(source.relation, "rows of the table cannot be told apart");
    return open_reader(source);
}

} // namespace

namespace changes {

void put(Oid view, Oid table, ReturnSetInfo *result)
{
    Output output = {guard([&] { return checked_reader(view, table); }), result};
    const Reader &reader = output.reader;
    int key_width = reader.nkeys == 1 ? logged_relation::key_width(reader.columns[0]->atttypid) : 0;
    log_reader::Entries entries = {view, reader.source.relation, reader.layout, key_width, reader.nkeys == 0};
    if (!log_reader::read(entries, put_change, &output))
        guard([&] {
            unknown(reader.source.relation,
                    "something has changed that is not logged row by row, or the log is damaged");
        });
    guard([] { PopActiveSnapshot(); });
}

} // namespace changes

} // namespace refresh_mv
