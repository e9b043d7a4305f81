#include "tracking/net_changes.hpp"

#include "log/log_reader.hpp"
#include "query/query.hpp"
#include "server/bridge.hpp"
#include "store/statement.hpp"
#include "tracking/logged_relation.hpp"
#include "tracking/shared_changes.hpp"
#include "tracking/source.hpp"
#include "values/row_image.hpp"

#include <string>
#include <unordered_map>

namespace refresh_mv {

namespace {

constexpr Size gained_overhead = 100; // of an image that without_gained() remembers, in bytes

// How the entries of a source become rows.
struct Decoder {
    TupleDesc desc; // the table's columns and existed
    int64 layout;
    int nkeys;
    int ncolumns;
    AttrNumber *columns; // that are logged, those of the key first
    int key_width;
};

// A column name that a table does not have.
const char *free_name(TupleDesc table, const char *name)
{
    for (int i = 0; i < table->natts; i++)
        if (!TupleDescAttr(table, i)->attisdropped && strcmp(NameStr(TupleDescAttr(table, i)->attname), name) == 0)
            return free_name(table, psprintf("%s?", name));
    return name;
}

// The row description of net changes: the columns of the table keep their numbers.
TupleDesc describe(TupleDesc table)
{
    TupleDesc desc = CreateTemplateTupleDesc(table->natts + 1);
    for (int i = 0; i < table->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(table, i);
        if (attribute->attisdropped)
            TupleDescInitEntry(desc, i + 1, free_name(table, psprintf("?dropped %d?", i)), INT4OID, -1, 0);
        else {
            TupleDescInitEntry(desc, i + 1, NameStr(attribute->attname), attribute->atttypid,
                               attribute->atttypmod, 0);
            TupleDescInitEntryCollation(desc, i + 1, attribute->attcollation);
        }
    }
    TupleDescInitEntry(desc, table->natts + 1, free_name(table, "?existed?"), BOOLOID, -1, 0);
    return pg::finished(desc);
}

Decoder decoder_of(const TrackedSource &source)
{
    Relation table = table_open(source.relation, AccessShareLock);
    Decoder decoder{};
    ListCell *cell;

    decoder.desc = describe(RelationGetDescr(table));
    decoder.nkeys = list_length(source.key);
    decoder.columns = static_cast<AttrNumber *>(
        palloc(sizeof(AttrNumber) * static_cast<size_t>(list_length(source.columns) + 1)));
    foreach (cell, source.key)
        decoder.columns[decoder.ncolumns++] =
            get_attnum(source.relation, static_cast<char *>(lfirst(cell)));
    foreach (cell, source.columns)
        if (!statement::contains(source.key, static_cast<char *>(lfirst(cell))))
            decoder.columns[decoder.ncolumns++] =
                get_attnum(source.relation, static_cast<char *>(lfirst(cell)));
    for (int i = 0; i < decoder.ncolumns; i++)
        if (decoder.columns[i] <= 0)
            ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                            errmsg("a logged column of \"%s\" does not exist any more",
                                   get_rel_name(source.relation))));
    decoder.layout = logged_relation::layout(table, decoder.columns, decoder.ncolumns, decoder.nkeys);
    if (decoder.nkeys == 1)
        decoder.key_width = logged_relation::key_width(TupleDescAttr(decoder.desc, decoder.columns[0] - 1)->atttypid);
    table_close(table, NoLock);
    return decoder;
}

bool decode(const Decoder &decoder, std::string_view bytes, int first, int end, Datum *values, bool *nulls,
            row_image::Room *room)
{
    const char *start = bytes.data();
    for (int i = first; i < end; i++) {
        int place = decoder.columns[i] - 1;
        if (!row_image::read(&start, bytes.data() + bytes.size(), TupleDescAttr(decoder.desc, place),
                             &values[place], &nulls[place], room))
            return false;
    }
    return true;
}

void note_range(NetChanges *changes, const Decoder &decoder, const Datum *values)
{
    Datum value = values[decoder.columns[0] - 1];
    int64 key = decoder.key_width == 8   ? DatumGetInt64(value)
                : decoder.key_width == 4 ? DatumGetInt32(value)
                                         : DatumGetInt16(value);
    changes->least = changes->has_range ? Min(changes->least, key) : key;
    changes->greatest = changes->has_range ? Max(changes->greatest, key) : key;
    changes->has_range = true;
}

// Changes that are being read.
struct Reading {
    NetChanges *changes;
    Decoder decoder;
    MemoryContext memory; // of the room
    row_image::Room room; // for the values of a row
};

// Adds the row or rows of a net change; false if its bytes are damaged.
bool add_change(const NetChange &change, void *context)
{
    auto *reading = static_cast<Reading *>(context);
    NetChanges *changes = reading->changes;
    const Decoder &decoder = reading->decoder;
    Datum values[MaxTupleAttributeNumber];
    bool nulls[MaxTupleAttributeNumber];
    int natts = decoder.desc->natts;
    bool existed = change.existed > 0;

    MemoryContext old = MemoryContextSwitchTo(reading->memory);
    reading->room.clear(change.key.size() + change.rest.size(), decoder.ncolumns);
    MemoryContextSwitchTo(old);
    memset(nulls, true, static_cast<size_t>(natts));
    if (!decode(decoder, change.key, 0, changes->bag ? decoder.ncolumns : decoder.nkeys, values, nulls, &reading->room)
        || (existed && !changes->bag
            && !decode(decoder, change.rest, decoder.nkeys, decoder.ncolumns, values, nulls, &reading->room)))
        return false;
    values[natts - 1] = BoolGetDatum(existed);
    nulls[natts - 1] = false;
    if (decoder.key_width != 0)
        note_range(changes, decoder, values);
    if (changes->bag && !existed)
        changes->gained += change.key.size() + gained_overhead;
    for (int64 i = changes->bag ? (existed ? change.existed : -change.existed) : 1; i > 0; i--) {
        ephemeral_rows::add(&changes->rows, values, nulls);
        appendStringInfoChar(changes->gone, static_cast<char>(change.gone));
        changes->existed += existed ? 1 : 0;
    }
    return true;
}

Reading begin_reading(const TrackedSource &source, int number)
{
    Decoder decoder = decoder_of(source);
    auto *changes = static_cast<NetChanges *>(palloc0(sizeof(NetChanges)));
    changes->source = &source;
    changes->relation = source.relation;
    changes->rows = ephemeral_rows::make(psprintf("refresh_mv_changes_%d", number), decoder.desc);
    changes->bag = decoder.nkeys == 0;
    changes->gone = makeStringInfo();
    return Reading{changes, decoder, CurrentMemoryContext, {}};
}

// The net changes of one source; null if they are not known row by row.
NetChanges *read_source(Oid view, const TrackedSource &source, int number)
{
    Reading reading = guard([&] { return begin_reading(source, number); });
    log_reader::Entries entries = {view, source.relation, reading.decoder.layout, reading.decoder.key_width,
                                reading.changes->bag};
    return log_reader::read(entries, add_change, &reading) ? reading.changes : nullptr;
}

// The same of changes that other views of the call may have read, or may want to.
NetChanges *read_shared(Oid view, const TrackedSource &source, int number)
{
    shared_changes::Entries entries = guard([&] {
        return shared_changes::new_entries(view, source.relation, source.layout);
    });
    const NetChanges *shared = shared_changes::find(entries);
    if (shared == nullptr) {
        MemoryContext context = guard([] { return shared_changes::enter(); });
        Reading reading = guard([&] {
            Reading begun = begin_reading(source, number);
            begun.changes->images = static_cast<NewImages *>(palloc0(sizeof(NewImages)));
            return begun;
        });
        guard([&] {
            shared_changes::leave(context);
            shared_changes::add(entries, reading.changes);
        });
        log_reader::Entries read = {view, source.relation, reading.decoder.layout, reading.decoder.key_width, false};
        if (!log_reader::read(read, add_change, &reading))
            return nullptr;
        shared = reading.changes;
        shared_changes::share(shared);
    }
    return guard([&] {
        auto *changes = static_cast<NetChanges *>(palloc(sizeof(NetChanges)));
        *changes = *shared;
        changes->source = &source;
        changes->rows.name = psprintf("refresh_mv_changes_%d", number);
        return changes;
    });
}

// The images that were gained, with how many times; and the rows that are left.
struct Remover {
    DestReceiver pub;
    const Decoder *decoder;
    std::unordered_map<std::string, int64_t> *gained;
    NamedRows *left;
    StringInfoData image;
};

// The image of a row, in the order of the log.
std::string_view image_of(Remover *remover, TupleTableSlot *row)
{
    resetStringInfo(&remover->image);
    for (int i = 0; i < remover->decoder->ncolumns; i++) {
        int place = remover->decoder->columns[i] - 1;
        row_image::append(&remover->image, TupleDescAttr(remover->decoder->desc, place),
                          row->tts_values[place], row->tts_isnull[place]);
    }
    return {remover->image.data, static_cast<size_t>(remover->image.len)};
}

// Whether the row is one of those that were gained, which is then used up.
bool is_gained(Remover *remover, TupleTableSlot *row)
{
    std::string_view image = image_of(remover, row);
    return entry([&] {
        auto found = remover->gained->find(std::string(image));
        if (found == remover->gained->end() || found->second == 0)
            return false;
        found->second--;
        return true;
    });
}

bool receive_row(TupleTableSlot *slot, DestReceiver *self)
{
    auto *remover = reinterpret_cast<Remover *>(self);
    slot_getallattrs(slot);
    if (!is_gained(remover, slot)) {
        tuplestore_puttupleslot(remover->left->rows, slot);
        remover->left->count++;
    }
    return true;
}

void count_gained(Remover *remover, const NetChanges *changes)
{
    TupleTableSlot *slot = MakeSingleTupleTableSlot(changes->rows.desc, &TTSOpsMinimalTuple);
    int existed = changes->rows.desc->natts - 1;
    tuplestore_rescan(changes->rows.rows);
    while (tuplestore_gettupleslot(changes->rows.rows, true, false, slot)) {
        slot_getallattrs(slot);
        if (DatumGetBool(slot->tts_values[existed]))
            continue;
        std::string_view image = image_of(remover, slot);
        entry([&] { (*remover->gained)[std::string(image)]++; });
    }
    ExecDropSingleTupleTableSlot(slot);
}

} // namespace

namespace net_changes {

List *read(Oid view, List *sources, QueryEnvironment *environment, const char **reason)
{
    List *all = NIL;
    int count = list_length(sources);

    *reason = nullptr;
    for (int i = 0; i < count; i++) {
        auto *source = static_cast<TrackedSource *>(list_nth(sources, i));
        if (!source->exact)
            continue; // if it had changed, that would be all that is known
        NetChanges *changes = shared_changes::active() && source->key != NIL ? read_shared(view, *source, i)
                                                                             : read_source(view, *source, i);
        const char *obstacle = changes == nullptr ? "changes of \"%s\" are not known row by row"
                               : changes->gained > static_cast<Size>(maintenance_work_mem) * 1024
                                   ? "more rows of \"%s\" have changed than fit in maintenance_work_mem"
                                   : nullptr;
        if (obstacle != nullptr) {
            *reason = guard([&] {
                if (changes != nullptr && changes->images == nullptr)
                    ephemeral_rows::release(&changes->rows);
                return psprintf(obstacle, get_rel_name(source->relation));
            });
            return nullptr;
        }
        guard([&] {
            if (changes->images != nullptr) {
                if (changes->rows.count == 0)
                    return;
                ephemeral_rows::lend(environment, changes->rows);
            } else if (changes->rows.count == 0)
                return ephemeral_rows::release(&changes->rows);
            else
                ephemeral_rows::show(environment, changes->rows);
            all = lappend(all, changes);
        });
    }
    return all;
}

NetChanges *imagined(const TrackedSource *source, int number, double count, QueryEnvironment *environment)
{
    auto *changes = static_cast<NetChanges *>(palloc0(sizeof(NetChanges)));
    changes->source = source;
    changes->relation = source->relation;
    changes->bag = source->key == NIL;
    changes->imagined = true;
    changes->rows = ephemeral_rows::expected(psprintf("refresh_mv_imagined_%d", number), decoder_of(*source).desc, count);
    changes->existed = changes->rows.count;
    ephemeral_rows::show(environment, changes->rows);
    return changes;
}

NetChanges *none(const TrackedSource *source, const char *name)
{
    auto *changes = static_cast<NetChanges *>(palloc0(sizeof(NetChanges)));
    changes->source = source;
    changes->relation = source->relation;
    changes->bag = true;
    changes->gone = makeStringInfo();
    changes->rows = ephemeral_rows::make(name, decoder_of(*source).desc);
    return changes;
}

const char *existed_column(const NetChanges *changes)
{
    TupleDesc desc = changes->rows.desc;
    return quote_identifier(NameStr(TupleDescAttr(desc, desc->natts - 1)->attname));
}

const char *equality(Oid type)
{
    Oid oid = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "no equality of type %u", type);
    auto *op = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
    const char *text = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(op->oprnamespace)),
                                NameStr(op->oprname));
    ReleaseSysCache(tuple);
    return text;
}

const char *same_key(const NetChanges *changes)
{
    StringInfoData text;
    ListCell *cell;
    initStringInfo(&text);
    foreach (cell, changes->source->key) {
        auto *column = static_cast<char *>(lfirst(cell));
        const char *name = quote_identifier(column);
        appendStringInfo(&text, "%sd.%s %s t.%s", text.len > 0 ? " AND " : "", name,
                         equality(get_atttype(changes->relation, get_attnum(changes->relation, column))), name);
    }
    return text.data;
}

const char *is_among(const NetChanges *changes, List *columns, const char *rows)
{
    StringInfoData here, there, pairs;
    bool hashed = true;
    ListCell *cell, *column;
    initStringInfo(&here);
    initStringInfo(&there);
    initStringInfo(&pairs);
    forboth (cell, changes->source->key, column, columns) {
        auto *key = static_cast<char *>(lfirst(cell));
        const char *left = quote_identifier(static_cast<char *>(lfirst(column)));
        const char *equals = equality(get_atttype(changes->relation, get_attnum(changes->relation, key)));
        const char *separator = here.len > 0 ? ", " : "";
        hashed &= strcmp(equals, "OPERATOR(pg_catalog.=)") == 0;
        appendStringInfo(&here, "%st.%s", separator, left);
        appendStringInfo(&there, "%sd.%s", separator, quote_identifier(key));
        appendStringInfo(&pairs, " AND d.%s %s t.%s", quote_identifier(key), equals, left);
    }
    return hashed ? psprintf("(%s) OPERATOR(pg_catalog.=) ANY (SELECT %s FROM %s d)", here.data, there.data, rows)
                  : psprintf("EXISTS (SELECT FROM %s d WHERE true%s)", rows, pairs.data);
}

NamedRows without_gained(const NetChanges *changes, Query *query, const char *name,
                         QueryEnvironment *environment)
{
    std::unordered_map<std::string, int64_t> gained;
    Decoder decoder{};
    Remover remover{};
    NamedRows left{};

    if (changes->imagined)
        return guard([&] { return ephemeral_rows::expected_of(query::plan(query, 0), name, environment); });
    guard([&] {
        decoder = decoder_of(*changes->source);
        left = ephemeral_rows::make(name, ExecCleanTypeFromTL(query->targetList));
        remover.pub = query::row_receiver(receive_row);
        remover.decoder = &decoder;
        remover.gained = &gained;
        remover.left = &left;
        initStringInfo(&remover.image);
        count_gained(&remover, changes);
        query::run(query, &remover.pub, 0, environment);
    });
    return left;
}

} // namespace net_changes

} // namespace refresh_mv
