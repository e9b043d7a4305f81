// The outermost values of a group, with how many rows have each, in a form from which rows can be taken
// away: when the smallest or the largest one has gone, the next one is known.
//
// A list begins with the outermost value.  Values are told apart by their images: of those that are equal
// and look different (1.0 and 1.00), the one with the smaller image is further out; min() and max() may
// return any of them.
//
// Invariants:
// - A list tells exactly how many rows have a value, as far as it reaches: a complete one tells it of all
//   values, another one of those up to its last one.  What it reaches and does not have, no row has.
// - What it does not reach is never told.  Where two lists are added, the sum reaches as far as both do.
// - Of a list that is not complete only the last value may have no row: that is how far it reaches.  If it is the only
//   one, the outermost value is not known.
// - A list takes little room, whatever the values are: long ones are few, in the end one.
//
// As bytes: nothing, if there are no values.  Else how it is laid out, how many values, the type, the collation;
// for each value the count and what the value is, without alignment.
#include "server/pg.hpp"
#include "values/varint.hpp"

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_smallest_step);
PG_FUNCTION_INFO_V1(refresh_mv_largest_step);
PG_FUNCTION_INFO_V1(refresh_mv_extremes_combine);
PG_FUNCTION_INFO_V1(refresh_mv_extremes_serial);
PG_FUNCTION_INFO_V1(refresh_mv_extremes_deserial);
PG_FUNCTION_INFO_V1(refresh_mv_extremes_final);
PG_FUNCTION_INFO_V1(refresh_mv_extremes_add);
PG_FUNCTION_INFO_V1(refresh_mv_outermost);
}

namespace {

// The values of a list at the most; and their bytes, while it is made.  More than these need not be known of what
// comes and goes: with so many that are further out than all of a list, the list is not needed.
constexpr int most = 8;
constexpr int64 most_bytes = 2048;

// How a list is laid out.
constexpr unsigned char layout = 0x50, is_complete = 1, is_largest = 2, flags = is_complete | is_largest;

struct Entry {
    Datum value;
    int64 count;
};

struct Extremes {
    TypeCacheEntry *type;
    Oid collation;
    bool largest;
    bool complete;
    int size, room; // of the entries
    int64 bytes;    // of their values
    Entry *entries;
};

[[noreturn]] void none()
{
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("not a list of extremes")));
    pg_unreachable();
}

TypeCacheEntry *find_type(Oid oid)
{
    TypeCacheEntry *type = lookup_type_cache(oid, TYPECACHE_CMP_PROC_FINFO);
    if (!OidIsValid(type->cmp_proc_finfo.fn_oid) || type->typlen < -1)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                        errmsg("type %s has no order to go by", format_type_be(oid))));
    return type;
}

Extremes *make(TypeCacheEntry *type, Oid collation, bool largest, MemoryContext memory)
{
    auto *list = static_cast<Extremes *>(MemoryContextAllocZero(memory, sizeof(Extremes)));
    list->type = type;
    list->collation = collation;
    list->largest = largest;
    list->complete = true;
    return list;
}

// ---- values ----

int64 bytes_of(const Extremes *list, Datum value)
{
    return list->type->typlen > 0 ? list->type->typlen
                                  : static_cast<int64>(VARSIZE_ANY_EXHDR(DatumGetPointer(value)));
}

// Of a value by reference.
const char *data_of(const Extremes *list, Datum value)
{
    const void *data = DatumGetPointer(value); // char * before 19
    return static_cast<const char *>(list->type->typlen > 0 ? data : VARDATA_ANY(data));
}

int compare_images(const Extremes *list, Datum a, Datum b)
{
    if (list->type->typbyval)
        return a == b ? 0 : a < b ? -1 : 1;
    int64 bytes_a = bytes_of(list, a), bytes_b = bytes_of(list, b);
    int order = memcmp(data_of(list, a), data_of(list, b), static_cast<size_t>(Min(bytes_a, bytes_b)));
    return order != 0 ? order : bytes_a == bytes_b ? 0 : bytes_a < bytes_b ? -1 : 1;
}

// Which of two values is further out: less than 0, if the first one is; 0 if they are the same.
int compare(const Extremes *list, Datum a, Datum b)
{
    int order = DatumGetInt32(FunctionCall2Coll(&list->type->cmp_proc_finfo, list->collation, a, b));
    if (order == 0)
        return compare_images(list, a, b);
    return (order < 0) != list->largest ? -1 : 1;
}

// ---- lists ----

void insert(Extremes *list, int place, Datum value, int64 count, MemoryContext memory)
{
    if (list->size == list->room) {
        list->room = list->room == 0 ? most + 1 : list->room * 2;
        auto bytes = static_cast<Size>(list->room) * sizeof(Entry);
        list->entries = static_cast<Entry *>(list->entries ? repalloc(list->entries, bytes)
                                                           : MemoryContextAlloc(memory, bytes));
    }
    if (!list->type->typbyval) {
        MemoryContext old = MemoryContextSwitchTo(memory);
        value = datumCopy(value, false, list->type->typlen);
        MemoryContextSwitchTo(old);
    }
    memmove(list->entries + place + 1, list->entries + place,
            static_cast<size_t>(list->size - place) * sizeof(Entry));
    list->entries[place] = {value, count};
    list->size++;
    list->bytes += bytes_of(list, value);
}

// Whether a list has a value, and the place where it is, or belongs.
bool find(const Extremes *list, Datum value, int *place)
{
    int low = 0, high = list->size;
    while (low < high) {
        int middle = high == list->size ? high - 1 : (low + high) / 2; // most lie beyond the last one
        int order = compare(list, value, list->entries[middle].value);
        if (order == 0) {
            *place = middle;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *place = low;
    return false;
}

// Adds rows that have a value, unless the list does not reach it.
void add(Extremes *list, Datum value, int64 count, MemoryContext memory)
{
    int place;
    if (find(list, value, &place))
        list->entries[place].count += count;
    else if (place < list->size || list->complete)
        insert(list, place, value, count, memory);
}

void drop_last(Extremes *list)
{
    Datum value = list->entries[--list->size].value;
    list->complete = false;
    list->bytes -= bytes_of(list, value);
    if (!list->type->typbyval)
        pfree(DatumGetPointer(value));
}

// Has the list reach less far, so that there are no more values, and no more bytes of them unless there is one.
void shorten(Extremes *list, int size, int64 bytes)
{
    while (list->size > size || (list->size > 1 && list->bytes > bytes))
        drop_last(list);
}

// Adds the rows of another list, or takes them away.
void add_all(Extremes *list, const Extremes *other, int64 sign, MemoryContext memory)
{
    for (int i = 0; i < other->size; i++)
        add(list, other->entries[i].value, sign * other->entries[i].count, memory);
    if (other->complete)
        return;
    Datum end = other->entries[other->size - 1].value;
    list->complete = false;
    while (compare(list, list->entries[list->size - 1].value, end) > 0)
        drop_last(list);
}

// Forgets values that no row has any more.
void forget_empty(Extremes *list)
{
    int size = 0;
    for (int i = 0; i < list->size; i++) {
        Entry entry = list->entries[i];
        if (entry.count < 0)
            elog(ERROR, "the state of a group counts a value less than no times");
        if (entry.count > 0 || (i == list->size - 1 && !list->complete))
            list->entries[size++] = entry;
        else
            list->bytes -= bytes_of(list, entry.value);
    }
    list->size = size;
}

// ---- bytes ----

char *write_number(char *at, uint64 number)
{
    varint::write(number, [&](char byte) { *at++ = byte; });
    return at;
}

char *write_value(char *at, const Extremes *list, Datum value)
{
    int64 length = bytes_of(list, value);
    if (list->type->typlen < 0)
        at = write_number(at, static_cast<uint64>(length));
    if (list->type->typbyval) { // which asks for a place that suits its type
        alignas(Datum) char aligned[sizeof(Datum)];
        store_att_byval(aligned, value, static_cast<int>(length));
        memcpy(at, aligned, static_cast<size_t>(length));
    } else
        memcpy(at, data_of(list, value), static_cast<size_t>(length));
    return at + length;
}

bytea *as_bytes(const Extremes *list)
{
    constexpr int64 longest_number = 10; // two for each value, and some at the head
    int64 size = list == nullptr ? 0 : list->size;
    auto *bytes = static_cast<char *>(palloc(static_cast<Size>(
        VARHDRSZ + (size == 0 ? 0 : list->bytes + 2 * longest_number * (size + 2)))));
    char *at = bytes + VARHDRSZ;
    if (size > 0) {
        *at++ = static_cast<char>(layout | (list->complete ? is_complete : 0) | (list->largest ? is_largest : 0));
        at = write_number(at, static_cast<uint64>(size));
        at = write_number(at, list->type->type_id);
        at = write_number(at, list->collation);
    }
    for (int i = 0; i < size; i++) {
        at = write_number(at, static_cast<uint64>(list->entries[i].count));
        at = write_value(at, list, list->entries[i].value);
    }
    SET_VARSIZE(bytes, at - bytes);
    return reinterpret_cast<bytea *>(bytes);
}

uint64 take_number(std::string_view *bytes)
{
    uint64 number;
    if (!varint::read(bytes, &number))
        none();
    return number;
}

Datum take_value(std::string_view *bytes, const TypeCacheEntry *type)
{
    uint64 length = type->typlen > 0 ? static_cast<uint64>(type->typlen) : take_number(bytes);
    Size header = type->typlen > 0 ? 0 : VARHDRSZ;
    if (bytes->size() < length)
        none();
    auto *value = static_cast<char *>(palloc0(Max(header + length, sizeof(Datum))));
    memcpy(value + header, bytes->data(), length);
    bytes->remove_prefix(length);
    if (type->typbyval)
        return fetch_att(value, true, type->typlen);
    if (header > 0)
        SET_VARSIZE(value, header + length);
    return PointerGetDatum(value);
}

// The head of a list in bytes, which are not empty; the rest of them are its values.
struct Head {
    bool complete, largest;
    int size;
    Oid type, collation;
};

Head take_head(std::string_view *bytes)
{
    auto how = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    Head head = {(how & is_complete) != 0, (how & is_largest) != 0, static_cast<int>(take_number(bytes)),
                 static_cast<Oid>(take_number(bytes)), static_cast<Oid>(take_number(bytes))};
    if ((how & ~flags) != layout || head.size < 1 || head.size > most)
        none();
    return head;
}

std::string_view view_of(bytea *datum)
{
    return {VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum)};
}

// A list out of its bytes; null if there are no values.
Extremes *of_bytes(bytea *datum)
{
    std::string_view bytes = view_of(datum);
    if (bytes.empty())
        return nullptr;
    Head head = take_head(&bytes);
    Extremes *list = make(find_type(head.type), head.collation, head.largest, CurrentMemoryContext);
    list->complete = head.complete;
    list->size = list->room = head.size;
    list->entries = static_cast<Entry *>(palloc(sizeof(Entry) * static_cast<size_t>(list->room)));
    for (int i = 0; i < list->size; i++) {
        auto count = static_cast<int64>(take_number(&bytes));
        list->entries[i] = {take_value(&bytes, list->type), count};
        list->bytes += bytes_of(list, list->entries[i].value);
    }
    return list;
}

// ---- the aggregates ----

MemoryContext aggregate_memory(FunctionCallInfo fcinfo)
{
    MemoryContext memory;
    if (!AggCheckCallContext(fcinfo, &memory))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("not called as an aggregate")));
    return memory;
}

Datum step(FunctionCallInfo fcinfo, bool largest)
{
    MemoryContext memory = aggregate_memory(fcinfo);
    auto *list = PG_ARGISNULL(0) ? nullptr : reinterpret_cast<Extremes *>(PG_GETARG_POINTER(0));
    if (PG_ARGISNULL(1)) {
        fcinfo->isnull = list == nullptr;
        return PointerGetDatum(list);
    }
    if (fcinfo->flinfo->fn_extra == nullptr)
        fcinfo->flinfo->fn_extra = find_type(get_fn_expr_argtype(fcinfo->flinfo, 1));
    auto *type = static_cast<TypeCacheEntry *>(fcinfo->flinfo->fn_extra);
    if (list == nullptr)
        list = make(type, PG_GET_COLLATION(), largest, memory);
    Datum value = PG_GETARG_DATUM(1);
    if (type->typlen < 0)
        value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
    add(list, value, 1, memory);
    shorten(list, most, most_bytes);
    return PointerGetDatum(list);
}

} // namespace

Datum refresh_mv_smallest_step(PG_FUNCTION_ARGS)
{
    return step(fcinfo, false);
}

Datum refresh_mv_largest_step(PG_FUNCTION_ARGS)
{
    return step(fcinfo, true);
}

Datum refresh_mv_extremes_combine(PG_FUNCTION_ARGS)
{
    MemoryContext memory = aggregate_memory(fcinfo);
    auto *list = PG_ARGISNULL(0) ? nullptr : reinterpret_cast<Extremes *>(PG_GETARG_POINTER(0));
    if (PG_ARGISNULL(1)) {
        fcinfo->isnull = list == nullptr;
        return PointerGetDatum(list);
    }
    auto *other = reinterpret_cast<Extremes *>(PG_GETARG_POINTER(1));
    if (list == nullptr)
        list = make(other->type, other->collation, other->largest, memory);
    add_all(list, other, 1, memory);
    shorten(list, most, most_bytes);
    return PointerGetDatum(list);
}

Datum refresh_mv_extremes_serial(PG_FUNCTION_ARGS)
{
    aggregate_memory(fcinfo);
    PG_RETURN_BYTEA_P(as_bytes(reinterpret_cast<Extremes *>(PG_GETARG_POINTER(0))));
}

Datum refresh_mv_extremes_deserial(PG_FUNCTION_ARGS)
{
    aggregate_memory(fcinfo);
    Extremes *list = of_bytes(PG_GETARG_BYTEA_PP(0));
    if (list == nullptr)
        none();
    PG_RETURN_POINTER(list);
}

Datum refresh_mv_extremes_final(PG_FUNCTION_ARGS)
{
    PG_RETURN_BYTEA_P(as_bytes(PG_ARGISNULL(0) ? nullptr : reinterpret_cast<Extremes *>(PG_GETARG_POINTER(0))));
}

// The first list plus the second less the third, where null is nothing.
static Extremes *sum_of(FunctionCallInfo fcinfo)
{
    Extremes *list = nullptr;
    for (int i = 0; i < 3; i++) {
        Extremes *other = PG_ARGISNULL(i) ? nullptr : of_bytes(PG_GETARG_BYTEA_PP(i));
        if (other == nullptr)
            continue;
        if (list == nullptr && i < 2) {
            list = other;
            continue;
        }
        if (list == nullptr)
            list = make(other->type, other->collation, other->largest, CurrentMemoryContext);
        if (list->type != other->type || list->largest != other->largest || list->collation != other->collation)
            none();
        add_all(list, other, i < 2 ? 1 : -1, CurrentMemoryContext);
    }
    return list;
}

// A list plus another less a third, where null is nothing, in so many bytes of values; null if its outermost
// value is not known.
Datum refresh_mv_extremes_add(PG_FUNCTION_ARGS)
{
    int bytes = PG_GETARG_INT32(3);
    bool made = !PG_ARGISNULL(0) && PG_ARGISNULL(1) && PG_ARGISNULL(2); // and only to be shortened
    if (made && VARSIZE_ANY_EXHDR(PG_GETARG_BYTEA_PP(0)) <= static_cast<Size>(Max(bytes, 0)))
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    Extremes *list = sum_of(fcinfo);
    if (list != nullptr) {
        forget_empty(list);
        if (list->size > 0 && list->entries[0].count == 0)
            PG_RETURN_NULL();
        shorten(list, most, bytes);
    }
    PG_RETURN_BYTEA_P(as_bytes(list));
}

// The outermost value, of the type of the second argument; null if there is none.
Datum refresh_mv_outermost(PG_FUNCTION_ARGS)
{
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    std::string_view bytes = view_of(PG_GETARG_BYTEA_PP(0));
    if (bytes.empty())
        PG_RETURN_NULL();
    if (take_head(&bytes).type != get_fn_expr_argtype(fcinfo->flinfo, 1))
        none();
    take_number(&bytes);
    return take_value(&bytes, lookup_type_cache(get_fn_expr_argtype(fcinfo->flinfo, 1), 0));
}

} // namespace refresh_mv
