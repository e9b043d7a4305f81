#include "incremental/signed_changes.hpp"

#include "incremental/instance.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"
#include "server/class_row.hpp"
#include "tracking/key_lookup.hpp"
#include "tracking/shared_changes.hpp"
#include "values/equality.hpp"
#include "values/image.hpp"

namespace refresh_mv {

namespace {

// The number of a column of the key.
AttrNumber key_column(const NetChanges *changes, ListCell *cell)
{
    return get_attnum(changes->relation, static_cast<char *>(lfirst(cell)));
}

// The columns of a table that a bitmap has, or all, and those of the key.
Bitmapset *filled_columns(const NetChanges *changes, Bitmapset *columns)
{
    TupleDesc desc = changes->rows.desc;
    bool whole = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns);
    Bitmapset *filled = nullptr;
    ListCell *cell;

    Relation table = table_open(changes->relation, AccessShareLock);
    for (int i = 0; i < desc->natts - 1; i++)
        if (!TupleDescAttr(RelationGetDescr(table), i)->attisdropped
            && (whole || bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, columns)))
            filled = bms_add_member(filled, i + 1);
    table_close(table, NoLock);
    foreach (cell, changes->source->key)
        filled = bms_add_member(filled, key_column(changes, cell));
    return filled;
}

// "prefix.a, prefix.b, " for the filled columns.
char *column_list(const NetChanges *changes, Bitmapset *filled, const char *prefix)
{
    StringInfoData text;
    int column = -1;
    initStringInfo(&text);
    while ((column = bms_next_member(filled, column)) >= 0)
        appendStringInfo(&text, "%s.%s, ", prefix,
                         instance::column_name(changes->relation, static_cast<AttrNumber>(column)));
    return text.data;
}

// Whether keys that are equal are the same: the log tells 1.0 and 1.00 apart.
bool has_plain_key(const NetChanges *changes)
{
    ListCell *cell;
    foreach (cell, changes->source->key) {
        Form_pg_attribute attribute = TupleDescAttr(changes->rows.desc, key_column(changes, cell) - 1);
        if (!equality::means_same(attribute->atttypid, attribute->attcollation))
            return false;
    }
    return true;
}

// Whether the keys are a run of integers, as those of new rows are, often.
bool is_run(const NetChanges *changes)
{
    return changes->has_range && changes->greatest - changes->least + 1 == changes->rows.count;
}

// How many keys come in their order: integers.
double in_order(const NetChanges *changes)
{
    return changes->has_range ? static_cast<double>(changes->rows.count) : 0;
}

// The table's rows t of the changed keys.
char *from_new_rows(const NetChanges *changes)
{
    const char *table = instance::qualified_name(changes->relation);
    if (is_run(changes))
        return psprintf("%s t WHERE %s", table,
                        instance::in_range(quote_identifier(static_cast<char *>(linitial(changes->source->key))),
                                           changes->least, changes->greatest));
    return psprintf("%s d JOIN %s t ON %s", changes->rows.name, table, net_changes::same_key(changes));
}

// Makes signed rows of images.
struct Signer {
    DestReceiver pub;
    SignedChanges *signs;
    AttrNumber *columns; // of the table, of those that are filled
    bool *in_key;
    int ncolumns;
    Datum *values;
    bool *nulls;
};

// A row: its columns by their numbers in the table, or just those that are filled, one after the other.
struct Image {
    const Datum *values;
    const bool *nulls;
    bool packed;
};

Image image_of(TupleTableSlot *row)
{
    return {row->tts_values, row->tts_isnull, false};
}

// Where an image has the filled column with that place.
int place_in(const Signer *signer, const Image &image, int column)
{
    return image.packed ? column : signer->columns[column] - 1;
}

void add_image(Signer *signer, const Image &image, int sign)
{
    for (int i = 0; i < signer->ncolumns; i++) {
        int from = place_in(signer, image, i);
        signer->values[signer->columns[i] - 1] = image.values[from];
        signer->nulls[signer->columns[i] - 1] = image.nulls[from];
    }
    signer->values[signer->signs->rows.desc->natts - 1] = Int32GetDatum(sign);
    ephemeral_rows::add(&signer->signs->rows, signer->values, signer->nulls);
}

// Whether two rows look the same, or just their keys.
bool look_same(const Signer *signer, const Image &a, const Image &b, bool key)
{
    for (int i = 0; i < signer->ncolumns; i++) {
        int in_a = place_in(signer, a, i);
        int in_b = place_in(signer, b, i);
        if ((!key || signer->in_key[i])
            && !image::same(TupleDescAttr(signer->signs->rows.desc, signer->columns[i] - 1), a.values[in_a],
                            a.nulls[in_a], b.values[in_b], b.nulls[in_b]))
            return false;
    }
    return true;
}

// Adds the signed rows of a change: of the row found with an equal key, if any, and of the old image, if it existed.
void sign(Signer *signer, const Image *found, const Image &old, bool existed)
{
    bool is_there = found != nullptr && look_same(signer, *found, old, true);
    if (is_there && existed && look_same(signer, *found, old, false))
        return;
    if (is_there)
        add_image(signer, *found, 1);
    if (existed)
        add_image(signer, old, -1);
}

// The same of a row of images(), which has the new columns; then, unless all rows are new, the old ones, whether
// there is a new row, and whether there was an old.
bool sign_images(TupleTableSlot *row, DestReceiver *self)
{
    auto *signer = reinterpret_cast<Signer *>(self);
    slot_getallattrs(row);
    int natts = row->tts_tupleDescriptor->natts;
    Image now = {row->tts_values, row->tts_isnull, true};
    Image old = {row->tts_values + signer->ncolumns, row->tts_isnull + signer->ncolumns, true};
    if (natts == signer->ncolumns)
        add_image(signer, now, 1);
    else
        sign(signer, row->tts_isnull[natts - 2] ? nullptr : &now, old, DatumGetBool(row->tts_values[natts - 1]));
    return true;
}

// The same of a row of the table, which may be null, and a change.
void sign_row(Signer *signer, TupleTableSlot *row, TupleTableSlot *change)
{
    bool existed = DatumGetBool(change->tts_values[signer->signs->rows.desc->natts - 1]);
    if (row == nullptr)
        return sign(signer, nullptr, image_of(change), existed);
    slot_getsomeattrs(row, signer->columns[signer->ncolumns - 1]);
    Image found = image_of(row);
    sign(signer, &found, image_of(change), existed);
}

#ifdef USE_ASSERT_CHECKING
// Checks that there is no row with the key of a change that says so, but for one of an equal key.
void check_gone(KeyLookup *lookup, const Signer *signer, TupleTableSlot *change, bool gone)
{
    TupleTableSlot *row = gone ? key_lookup::find(lookup, change->tts_values) : nullptr;
    if (row == nullptr)
        return;
    slot_getallattrs(row);
    Assert(!look_same(signer, image_of(row), image_of(change), true));
}
#endif

Signer signer_for(SignedChanges *signs)
{
    auto natts = static_cast<size_t>(signs->rows.desc->natts);
    Signer signer{};
    ListCell *cell;
    int column = -1;
    signer.pub = query::row_receiver(sign_images);
    signer.signs = signs;
    signer.columns = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * natts));
    signer.in_key = static_cast<bool *>(palloc0(natts));
    while ((column = bms_next_member(signs->columns, column)) >= 0)
        signer.columns[signer.ncolumns++] = static_cast<AttrNumber>(column);
    foreach (cell, signs->changes->source->key)
        for (int i = 0; i < signer.ncolumns; i++)
            signer.in_key[i] |= signer.columns[i] == key_column(signs->changes, cell);
    signer.values = static_cast<Datum *>(palloc0(sizeof(Datum) * natts));
    signer.nulls = static_cast<bool *>(palloc(natts));
    memset(signer.nulls, true, natts);
    signer.nulls[natts - 1] = false;
    return signer;
}

// Looks up the rows of changes that views share.
void find_images(const NetChanges *changes)
{
    NewImages *images = changes->images;
    TupleDesc desc = changes->rows.desc;
    int natts = desc->natts;
    auto *nulls = static_cast<bool *>(palloc(static_cast<size_t>(natts)));
    auto *values = static_cast<Datum *>(palloc0(sizeof(Datum) * static_cast<size_t>(natts)));
    TupleTableSlot *change = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
    KeyLookup lookup = key_lookup::begin(*changes->source, in_order(changes));
    int place = 0;

    if (images->rows.rows != nullptr)
        ephemeral_rows::release(&images->rows); // of an attempt that failed
    auto *columns = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * static_cast<size_t>(natts)));
    int ncolumns = 0;
    ListCell *cell;
    foreach (cell, changes->source->columns)
        columns[ncolumns++] = get_attnum(changes->relation, static_cast<char *>(lfirst(cell)));
    MemoryContext context = shared_changes::enter();
    images->rows = ephemeral_rows::make("refresh_mv_images", desc);
    shared_changes::leave(context);
    tuplestore_rescan(changes->rows.rows);
    while (tuplestore_gettupleslot(changes->rows.rows, true, false, change)) {
        CHECK_FOR_INTERRUPTS();
        slot_getallattrs(change);
        TupleTableSlot *row = changes->gone->data[place++] != 0 ? nullptr : key_lookup::find(&lookup, change->tts_values);
        memset(nulls, true, static_cast<size_t>(natts));
        if (row != nullptr)
            slot_getallattrs(row);
        for (int i = 0; row != nullptr && i < ncolumns; i++) {
            values[columns[i] - 1] = row->tts_values[columns[i] - 1];
            nulls[columns[i] - 1] = row->tts_isnull[columns[i] - 1];
        }
        values[natts - 1] = BoolGetDatum(row != nullptr);
        nulls[natts - 1] = false;
        ephemeral_rows::add(&images->rows, values, nulls);
    }
    key_lookup::end(&lookup);
    ExecDropSingleTupleTableSlot(change);
    images->complete = true;
}

// Takes the new images of changes that views share, found already or not.
void fill_from_images(SignedChanges *signs)
{
    const NetChanges *changes = signs->changes;
    Signer signer = signer_for(signs);
    TupleTableSlot *change = MakeSingleTupleTableSlot(changes->rows.desc, &TTSOpsMinimalTuple);
    TupleTableSlot *image = MakeSingleTupleTableSlot(changes->rows.desc, &TTSOpsMinimalTuple);
    MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv signs", ALLOCSET_DEFAULT_SIZES);

    if (!changes->images->complete)
        find_images(changes);
    tuplestore_rescan(changes->rows.rows);
    tuplestore_rescan(changes->images->rows.rows);
    while (tuplestore_gettupleslot(changes->rows.rows, true, false, change)
           && tuplestore_gettupleslot(changes->images->rows.rows, true, false, image)) {
        CHECK_FOR_INTERRUPTS();
        slot_getallattrs(change);
        slot_getallattrs(image);
        bool is_there = DatumGetBool(image->tts_values[changes->rows.desc->natts - 1]);
        MemoryContext outer = MemoryContextSwitchTo(memory); // not that of the rows
        sign_row(&signer, is_there ? image : nullptr, change);
        MemoryContextSwitchTo(outer);
        MemoryContextReset(memory);
    }
    MemoryContextDelete(memory);
    ExecDropSingleTupleTableSlot(change);
    ExecDropSingleTupleTableSlot(image);
}

} // namespace

namespace signed_changes {

bool readable(const NetChanges *changes, Bitmapset *columns)
{
    return 2 * bms_num_members(filled_columns(changes, columns)) + 2 <= MaxTupleAttributeNumber;
}

Query *images(const NetChanges *changes, Bitmapset *columns, QueryEnvironment *environment)
{
    Bitmapset *filled = filled_columns(changes, columns);
    char *now = column_list(changes, filled, "t");
    if (changes->existed == 0 && has_plain_key(changes)) {
        now[strlen(now) - 2] = '\0';
        return query::unchecked(psprintf("SELECT %s FROM %s", now, from_new_rows(changes)), environment);
    }
    return query::unchecked(
        sql_template::fill("SELECT {now}{before}t.ctid, d.{existed} FROM {changes} d LEFT JOIN {table} t ON {same_key}",
                           {{"now", now},
                            {"before", column_list(changes, filled, "d")},
                            {"existed", net_changes::existed_column(changes)},
                            {"changes", changes->rows.name},
                            {"table", instance::qualified_name(changes->relation)},
                            {"same_key", net_changes::same_key(changes)}}),
        environment);
}

SignedChanges make(const NetChanges *changes, Bitmapset *columns, const char *name)
{
    TupleDesc desc = CreateTupleDescCopy(changes->rows.desc);
    int natts = desc->natts;
    const char *sign = pstrdup(NameStr(TupleDescAttr(desc, natts - 1)->attname));
    TupleDescInitEntry(desc, static_cast<AttrNumber>(natts), sign, INT4OID, -1, 0);
    return {changes, filled_columns(changes, columns), ephemeral_rows::make(name, pg::finished(desc))};
}

void fill(SignedChanges *signs, PlannedStmt *images, QueryEnvironment *environment)
{
    Signer signer = signer_for(signs);
    query::run(images, &signer.pub, environment);
}

double cost_by_key(const NetChanges *changes)
{
    constexpr double cost_of_lookup = 1.5;
    // In the order of the index they stay cheaper than reading all of the table for longer.
    double share = changes->has_range ? 0.5 : 0.1;
    constexpr double few = 100;
    constexpr double cost_of_image = 0.1;
    double count = static_cast<double>(changes->rows.count);
    if (changes->images != nullptr && changes->images->complete)
        return count * cost_of_image;
    if (is_run(changes) && changes->existed == 0 && count > few && changes->images == nullptr)
        return -1; // a range of the index
    return key_lookup::possible(*changes->source) && count <= Max(1000, share * class_row(changes->relation).form.reltuples)
               ? count * cost_of_lookup
               : -1;
}

void fill_by_key(SignedChanges *signs)
{
    if (signs->changes->images != nullptr)
        return fill_from_images(signs);
    const NamedRows &changes = signs->changes->rows;
    Signer signer = signer_for(signs);
    TupleTableSlot *change = MakeSingleTupleTableSlot(changes.desc, &TTSOpsMinimalTuple);
    KeyLookup lookup = key_lookup::begin(*signs->changes->source, in_order(signs->changes));
    MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "refresh_mv signs", ALLOCSET_DEFAULT_SIZES);
    int place = 0;

    tuplestore_rescan(changes.rows);
    while (tuplestore_gettupleslot(changes.rows, true, false, change)) {
        CHECK_FOR_INTERRUPTS();
        slot_getallattrs(change);
        bool gone = signs->changes->gone->data[place++] != 0;
        TupleTableSlot *row = gone ? nullptr : key_lookup::find(&lookup, change->tts_values);
#ifdef USE_ASSERT_CHECKING
        check_gone(&lookup, &signer, change, gone);
#endif
        MemoryContext outer = MemoryContextSwitchTo(memory); // not that of the scan
        sign_row(&signer, row, change);
        MemoryContextSwitchTo(outer);
        MemoryContextReset(memory);
    }
    MemoryContextDelete(memory);
    key_lookup::end(&lookup);
    ExecDropSingleTupleTableSlot(change);
}

void fill_from_bag(SignedChanges *signs)
{
    const NamedRows &images = signs->changes->rows;
    TupleTableSlot *slot = MakeSingleTupleTableSlot(images.desc, &TTSOpsMinimalTuple);
    int existed = images.desc->natts - 1;

    tuplestore_rescan(images.rows);
    while (tuplestore_gettupleslot(images.rows, true, false, slot)) {
        slot_getallattrs(slot);
        bool gone = DatumGetBool(slot->tts_values[existed]);
        slot->tts_values[existed] = Int32GetDatum(gone ? -1 : 1);
        ephemeral_rows::add(&signs->rows, slot->tts_values, slot->tts_isnull);
    }
    ExecDropSingleTupleTableSlot(slot);
}

} // namespace signed_changes

} // namespace refresh_mv
