// A sum of numeric, in a form that can be added and subtracted, and from which
// sum(numeric) and avg(numeric) can be had to the last digit.
//
// sum(numeric) shows as many digits after the decimal point as any of its values:
// when values are taken away one has to know how many are left to show.  And NaN or
// an infinity cannot be taken away from a sum.  So this is an array of numeric: the
// sum of the finite values; how many are NaN, Infinity, -Infinity; and how many have
// 0 digits, 1 digit, ...
#include "server/pg.hpp"

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_exact_step);
PG_FUNCTION_INFO_V1(refresh_mv_exact_combine);
PG_FUNCTION_INFO_V1(refresh_mv_exact_serial);
PG_FUNCTION_INFO_V1(refresh_mv_exact_deserial);
PG_FUNCTION_INFO_V1(refresh_mv_exact_final);
PG_FUNCTION_INFO_V1(refresh_mv_exact_add);
PG_FUNCTION_INFO_V1(refresh_mv_exact_total);
PG_FUNCTION_INFO_V1(refresh_mv_exact_average);
}

namespace {

// The places of the counts.
enum Place { count_nan, count_infinite, count_minus_infinite, count_finite };

// The state of the aggregate.  The sum is one of core's sum(numeric).
struct Sum {
    Datum sum;
    bool has_sum;
    int size; // of counts
    int64 *counts;
};

MemoryContext aggregate_memory(FunctionCallInfo fcinfo)
{
    MemoryContext memory;
    if (!AggCheckCallContext(fcinfo, &memory))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("not called as an aggregate")));
    return memory;
}

// Calls one of the functions of core's sum(numeric) as a part of this aggregate.
Datum call_core(PGFunction function, FunctionCallInfo outer, NullableDatum first, NullableDatum second)
{
    LOCAL_FCINFO(inner, 2);
    InitFunctionCallInfoData(*inner, nullptr, 2, InvalidOid, outer->context, nullptr);
    inner->args[0] = first;
    inner->args[1] = second;
    return function(inner);
}

NullableDatum sum_of(const Sum *sum)
{
    return {sum->sum, !sum->has_sum};
}

Sum *argument(FunctionCallInfo fcinfo, int i, MemoryContext memory)
{
    return PG_ARGISNULL(i) ? static_cast<Sum *>(MemoryContextAllocZero(memory, sizeof(Sum)))
                           : reinterpret_cast<Sum *>(PG_GETARG_POINTER(i));
}

// Makes room for so many counts.
void reach(Sum *sum, int count, MemoryContext memory)
{
    if (count <= sum->size)
        return;
    int size = Max(count, Max(sum->size * 2, 8));
    auto *counts = static_cast<int64 *>(MemoryContextAllocZero(memory, sizeof(int64) * static_cast<size_t>(size)));
    if (sum->size > 0)
        memcpy(counts, sum->counts, sizeof(int64) * static_cast<size_t>(sum->size));
    sum->counts = counts;
    sum->size = size;
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

// An array without the zeros at its end.
Datum as_array(Datum sum, const int64 *counts, int size)
{
    while (size > 0 && counts[size - 1] == 0)
        size--;
    auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<size_t>(size + 1)));
    values[0] = sum;
    for (int i = 0; i < size; i++)
        values[i + 1] = NumericGetDatum(int64_to_numeric(counts[i]));
    return PointerGetDatum(construct_array(values, size + 1, NUMERICOID, -1, false, TYPALIGN_INT));
}

// An array taken apart.
struct Parts {
    Datum sum;
    int size;
    int64 *counts;
};

Parts parts_of(Datum array)
{
    Datum *values;
    int size;
    deconstruct_array(DatumGetArrayTypeP(array), NUMERICOID, -1, false, TYPALIGN_INT, &values, nullptr, &size);
    if (size == 0)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("not an exact sum")));
    Parts parts = {values[0], size - 1, static_cast<int64 *>(palloc0(sizeof(int64) * static_cast<size_t>(size + count_finite)))};
    for (int i = 1; i < size; i++)
        parts.counts[i - 1] = DatumGetInt64(DirectFunctionCall1(numeric_int8, values[i]));
    return parts;
}

int64 count_of(const Parts &parts)
{
    int64 count = 0;
    for (int i = 0; i < parts.size; i++)
        count += parts.counts[i];
    return count;
}

Datum special(const char *name)
{
    return DirectFunctionCall3(numeric_in, CStringGetDatum(name), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

// What sum(numeric) gives.
Datum total_of(const Parts &parts)
{
    const int64 *counts = parts.counts;
    if (counts[count_nan] > 0 || (counts[count_infinite] > 0 && counts[count_minus_infinite] > 0))
        return special("NaN");
    if (counts[count_infinite] > 0)
        return special("Infinity");
    if (counts[count_minus_infinite] > 0)
        return special("-Infinity");
    int largest = parts.size - 1;
    while (largest > count_finite && counts[largest] <= 0)
        largest--;
    return DirectFunctionCall2(numeric_round, parts.sum, Int32GetDatum(Max(largest - count_finite, 0)));
}

} // namespace

Datum refresh_mv_exact_step(PG_FUNCTION_ARGS)
{
    MemoryContext memory = aggregate_memory(fcinfo);
    Sum *sum = argument(fcinfo, 0, memory);
    if (PG_ARGISNULL(1))
        PG_RETURN_POINTER(sum);
    int place = place_of(PG_GETARG_NUMERIC(1));
    reach(sum, place + 1, memory);
    sum->counts[place]++;
    if (place >= count_finite) {
        sum->sum = call_core(numeric_avg_accum, fcinfo, sum_of(sum), {PG_GETARG_DATUM(1), false});
        sum->has_sum = true;
    }
    PG_RETURN_POINTER(sum);
}

Datum refresh_mv_exact_combine(PG_FUNCTION_ARGS)
{
    MemoryContext memory = aggregate_memory(fcinfo);
    Sum *sum = argument(fcinfo, 0, memory);
    if (PG_ARGISNULL(1))
        PG_RETURN_POINTER(sum);
    auto *other = reinterpret_cast<Sum *>(PG_GETARG_POINTER(1));
    reach(sum, other->size, memory);
    for (int i = 0; i < other->size; i++)
        sum->counts[i] += other->counts[i];
    if (other->has_sum) {
        sum->sum = call_core(numeric_avg_combine, fcinfo, sum_of(sum), sum_of(other));
        sum->has_sum = true;
    }
    PG_RETURN_POINTER(sum);
}

// The size, the counts, then the sum as core writes it.
Datum refresh_mv_exact_serial(PG_FUNCTION_ARGS)
{
    aggregate_memory(fcinfo);
    auto *sum = reinterpret_cast<Sum *>(PG_GETARG_POINTER(0));
    StringInfoData bytes;
    initStringInfo(&bytes);
    appendStringInfoSpaces(&bytes, VARHDRSZ);
    appendBinaryStringInfo(&bytes, reinterpret_cast<char *>(&sum->size), sizeof(sum->size));
    appendBinaryStringInfo(&bytes, reinterpret_cast<char *>(sum->counts), static_cast<int>(sizeof(int64)) * sum->size);
    if (sum->has_sum) {
        bytea *core = DatumGetByteaPP(call_core(numeric_avg_serialize, fcinfo, sum_of(sum), {0, true}));
        appendBinaryStringInfo(&bytes, VARDATA_ANY(core), static_cast<int>(VARSIZE_ANY_EXHDR(core)));
    }
    SET_VARSIZE(bytes.data, bytes.len);
    PG_RETURN_BYTEA_P(reinterpret_cast<bytea *>(bytes.data));
}

Datum refresh_mv_exact_deserial(PG_FUNCTION_ARGS)
{
    aggregate_memory(fcinfo);
    bytea *bytes = PG_GETARG_BYTEA_PP(0);
    auto *sum = static_cast<Sum *>(palloc0(sizeof(Sum)));
    const char *data = VARDATA_ANY(bytes);
    const char *end = data + VARSIZE_ANY_EXHDR(bytes);
    int size;

    memcpy(&size, data, sizeof(size));
    data += sizeof(size);
    reach(sum, size, CurrentMemoryContext);
    if (size > 0)
        memcpy(sum->counts, data, sizeof(int64) * static_cast<size_t>(size));
    data += sizeof(int64) * static_cast<size_t>(size);
    if (data < end) {
        bytea *core = cstring_to_text_with_len(data, static_cast<int>(end - data));
        sum->sum = call_core(numeric_avg_deserialize, fcinfo, {PointerGetDatum(core), false}, {0, true});
        sum->has_sum = true;
    }
    PG_RETURN_POINTER(sum);
}

Datum refresh_mv_exact_final(PG_FUNCTION_ARGS)
{
    if (PG_ARGISNULL(0))
        return as_array(NumericGetDatum(int64_to_numeric(0)), nullptr, 0);
    auto *sum = reinterpret_cast<Sum *>(PG_GETARG_POINTER(0));
    Datum value = sum->has_sum ? call_core(numeric_sum, fcinfo, sum_of(sum), {0, true})
                               : NumericGetDatum(int64_to_numeric(0));
    return as_array(value, sum->counts, sum->size);
}

// The first plus the second less the third, where null is nothing.
Datum refresh_mv_exact_add(PG_FUNCTION_ARGS)
{
    Datum sum = NumericGetDatum(int64_to_numeric(0));
    int64 *counts = nullptr;
    int size = 0;

    for (int i = 0; i < 3; i++) {
        if (PG_ARGISNULL(i))
            continue;
        Parts parts = parts_of(PG_GETARG_DATUM(i));
        sum = DirectFunctionCall2(i < 2 ? numeric_add : numeric_sub, sum, parts.sum);
        if (parts.size > size) {
            auto *more = static_cast<int64 *>(palloc0(sizeof(int64) * static_cast<size_t>(parts.size)));
            if (size > 0)
                memcpy(more, counts, sizeof(int64) * static_cast<size_t>(size));
            counts = more;
            size = parts.size;
        }
        for (int j = 0; j < parts.size; j++)
            counts[j] += i < 2 ? parts.counts[j] : -parts.counts[j];
    }
    return as_array(sum, counts, size);
}

// What sum(numeric) gives.
Datum refresh_mv_exact_total(PG_FUNCTION_ARGS)
{
    Parts parts = parts_of(PG_GETARG_DATUM(0));
    if (count_of(parts) == 0)
        PG_RETURN_NULL();
    return total_of(parts);
}

// What avg(numeric) gives.
Datum refresh_mv_exact_average(PG_FUNCTION_ARGS)
{
    Parts parts = parts_of(PG_GETARG_DATUM(0));
    int64 count = count_of(parts);
    if (count == 0)
        PG_RETURN_NULL();
    return DirectFunctionCall2(numeric_div, total_of(parts), NumericGetDatum(int64_to_numeric(count)));
}

} // namespace refresh_mv
