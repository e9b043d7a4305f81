// What a sum of numeric shows beside its value: how many of its values are NaN or
// infinite, and how many have how many digits after the decimal point.  sum(numeric)
// shows as many digits as any of its values, and when values are taken away this
// tells how many are left to show.
//
// An array of counts: NaN, Infinity, -Infinity, then values with 0 digits, 1 digit ...
#include "pg.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_scales_step);
PG_FUNCTION_INFO_V1(refresh_mv_scales_combine);
PG_FUNCTION_INFO_V1(refresh_mv_scales_serial);
PG_FUNCTION_INFO_V1(refresh_mv_scales_deserial);
PG_FUNCTION_INFO_V1(refresh_mv_scales_final);
PG_FUNCTION_INFO_V1(refresh_mv_scales_add);
PG_FUNCTION_INFO_V1(refresh_mv_total);
PG_FUNCTION_INFO_V1(refresh_mv_is_finite);
}

namespace {

struct Scales {
    int size; // of counts
    int64 *counts;
};

// The places of the counts.
enum Place { count_nan, count_infinite, count_minus_infinite, count_finite };

bool is_special(Numeric value)
{
    return numeric_is_nan(value) || numeric_is_inf(value);
}

// Where a value is counted.
int place_of(Numeric value)
{
    if (numeric_is_nan(value))
        return count_nan;
    if (numeric_is_inf(value))
        return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(value),
                                                 NumericGetDatum(int64_to_numeric(0)))) > 0
                   ? count_infinite
                   : count_minus_infinite;
    return count_finite + DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(value)));
}

// Makes room for a count.
void reach(Scales *scales, int scale, MemoryContext memory)
{
    if (scale < scales->size)
        return;
    int size = Max(scale + 1, Max(scales->size * 2, 8));
    auto *counts = static_cast<int64 *>(MemoryContextAllocZero(memory, sizeof(int64) * static_cast<size_t>(size)));
    if (scales->size > 0)
        memcpy(counts, scales->counts, sizeof(int64) * static_cast<size_t>(scales->size));
    scales->counts = counts;
    scales->size = size;
}

MemoryContext aggregate_memory(FunctionCallInfo fcinfo)
{
    MemoryContext memory;
    if (!AggCheckCallContext(fcinfo, &memory))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("not called as an aggregate")));
    return memory;
}

Scales *make(MemoryContext memory)
{
    return static_cast<Scales *>(MemoryContextAllocZero(memory, sizeof(Scales)));
}

ArrayType *as_array(const Scales &scales)
{
    int size = scales.size;
    while (size > 0 && scales.counts[size - 1] == 0)
        size--;
    auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<size_t>(size + 1)));
    for (int i = 0; i < size; i++)
        values[i] = Int64GetDatum(scales.counts[i]);
    return construct_array(values, size, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

// Adds the counts of an array, so many times.
void add_array(Scales *scales, ArrayType *array, int times, MemoryContext memory)
{
    Datum *values;
    int count;
    deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, nullptr, &count);
    reach(scales, count, memory);
    for (int i = 0; i < count; i++)
        scales->counts[i] += times * DatumGetInt64(values[i]);
}

} // namespace

Datum refresh_mv_scales_step(PG_FUNCTION_ARGS)
{
    MemoryContext memory = aggregate_memory(fcinfo);
    Scales *scales = PG_ARGISNULL(0) ? make(memory) : reinterpret_cast<Scales *>(PG_GETARG_POINTER(0));
    if (PG_ARGISNULL(1))
        PG_RETURN_POINTER(scales);
    Numeric value = PG_GETARG_NUMERIC(1);
    int place = place_of(value);
    reach(scales, place, memory);
    scales->counts[place]++;
    PG_RETURN_POINTER(scales);
}

Datum refresh_mv_scales_combine(PG_FUNCTION_ARGS)
{
    MemoryContext memory = aggregate_memory(fcinfo);
    Scales *scales = PG_ARGISNULL(0) ? make(memory) : reinterpret_cast<Scales *>(PG_GETARG_POINTER(0));
    if (!PG_ARGISNULL(1)) {
        auto *other = reinterpret_cast<Scales *>(PG_GETARG_POINTER(1));
        reach(scales, other->size, memory);
        for (int i = 0; i < other->size; i++)
            scales->counts[i] += other->counts[i];
    }
    PG_RETURN_POINTER(scales);
}

Datum refresh_mv_scales_serial(PG_FUNCTION_ARGS)
{
    aggregate_memory(fcinfo);
    auto *scales = reinterpret_cast<Scales *>(PG_GETARG_POINTER(0));
    size_t size = sizeof(int64) * static_cast<size_t>(scales->size);
    auto *bytes = static_cast<bytea *>(palloc(VARHDRSZ + size));
    SET_VARSIZE(bytes, VARHDRSZ + size);
    if (size > 0)
        memcpy(VARDATA(bytes), scales->counts, size);
    PG_RETURN_BYTEA_P(bytes);
}

Datum refresh_mv_scales_deserial(PG_FUNCTION_ARGS)
{
    aggregate_memory(fcinfo);
    bytea *bytes = PG_GETARG_BYTEA_PP(0);
    Scales *scales = make(CurrentMemoryContext);
    int size = static_cast<int>(VARSIZE_ANY_EXHDR(bytes) / sizeof(int64));
    if (size > 0) {
        reach(scales, size - 1, CurrentMemoryContext);
        memcpy(scales->counts, VARDATA_ANY(bytes), sizeof(int64) * static_cast<size_t>(size));
    }
    PG_RETURN_POINTER(scales);
}

Datum refresh_mv_scales_final(PG_FUNCTION_ARGS)
{
    Scales none{};
    PG_RETURN_ARRAYTYPE_P(as_array(PG_ARGISNULL(0) ? none : *reinterpret_cast<Scales *>(PG_GETARG_POINTER(0))));
}

// The first plus the second less the third, where null is nothing.
Datum refresh_mv_scales_add(PG_FUNCTION_ARGS)
{
    Scales scales{};
    for (int i = 0; i < 3; i++)
        if (!PG_ARGISNULL(i))
            add_array(&scales, PG_GETARG_ARRAYTYPE_P(i), i == 2 ? -1 : 1, CurrentMemoryContext);
    PG_RETURN_ARRAYTYPE_P(as_array(scales));
}

// The sum of all values, out of that of the finite ones and the counts.
Datum refresh_mv_total(PG_FUNCTION_ARGS)
{
    Scales scales{};
    reach(&scales, count_finite, CurrentMemoryContext);
    add_array(&scales, PG_GETARG_ARRAYTYPE_P(1), 1, CurrentMemoryContext);
    int64 *counts = scales.counts;
    const char *special = counts[count_nan] > 0 || (counts[count_infinite] > 0 && counts[count_minus_infinite] > 0) ? "NaN"
                          : counts[count_infinite] > 0                                                  ? "Infinity"
                          : counts[count_minus_infinite] > 0                                            ? "-Infinity"
                                                                                                  : nullptr;
    if (special != nullptr)
        return DirectFunctionCall3(numeric_in, CStringGetDatum(special), ObjectIdGetDatum(InvalidOid),
                                   Int32GetDatum(-1));
    int largest = scales.size - 1;
    while (largest > count_finite && counts[largest] <= 0)
        largest--;
    return DirectFunctionCall2(numeric_round, PG_GETARG_DATUM(0), Int32GetDatum(largest - count_finite));
}

Datum refresh_mv_is_finite(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(!is_special(PG_GETARG_NUMERIC(0)));
}
