// What callers pass to have views refreshed in chunks, checked.

#include "api/arguments.hpp"

#include "server/bridge.hpp"
#include "server/messages.hpp"

namespace refresh_mv {

namespace {

enum Argument { arg_chunk, arg_replica_lag, arg_wal_rate, arg_resume };

// The number of rows that a text gives, such as "100000" or "100000 rows"; 0 if it gives none.
int64 rows_of(const std::string &text)
{
    size_t digits = text.find_first_not_of("0123456789");
    std::string number = text.substr(0, digits);
    std::string unit = digits == std::string::npos ? "" : text.substr(digits);
    bool is_number = !number.empty() && number.size() < 18 && (unit.empty() || unit == " rows" || unit == " row");
    return is_number ? std::stoll(number) : 0;
}

[[noreturn]] void refuse_size(const std::string &text)
{
    throw Error{ERRCODE_INVALID_PARAMETER_VALUE, format("invalid size of chunks: \"%s\"", text.c_str()), "",
                "Give an interval that is positive, such as '1 month', or a number of rows, such as '100000'."};
}

bool is_positive(const Interval &span)
{
    return guard([&] {
        Interval zero = {0, 0, 0};
        return DatumGetInt32(DirectFunctionCall2(interval_cmp, IntervalPGetDatum(&span), IntervalPGetDatum(&zero))) > 0;
    });
}

ChunkSize size_of(const std::string &text)
{
    int64 rows = rows_of(text);
    if (rows > 0)
        return {rows, {}};
    // A number without a unit would be taken for seconds.
    if (text.find_first_not_of("0123456789+-. ") == std::string::npos)
        refuse_size(text);
    const char *given = text.c_str();
    Interval span = guard([&] {
        return *DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(given), ObjectIdGetDatum(InvalidOid),
                                                      Int32GetDatum(-1)));
    });
    if (!is_positive(span))
        refuse_size(text);
    return {0, span};
}

// A number of bytes with a unit; 0 if the argument is NULL.
int64 bytes(FunctionCallInfo fcinfo, int argument, const char *name)
{
    if (PG_ARGISNULL(argument))
        return 0;
    int64 bytes = guard([&] {
        return DatumGetInt64(DirectFunctionCall1(pg_size_bytes, PG_GETARG_DATUM(argument)));
    });
    if (bytes <= 0)
        throw Error{ERRCODE_INVALID_PARAMETER_VALUE, format("%s must be positive", name), "",
                    "Give a number of bytes with a unit, such as '64 MB', or omit the argument."};
    return bytes;
}

} // namespace

std::optional<Chunking> arguments::chunking(FunctionCallInfo fcinfo, int first, RefreshMode mode)
{
    if (PG_ARGISNULL(first + arg_resume))
        throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "resume must not be null", "", ""};
    Pace pace = {bytes(fcinfo, first + arg_replica_lag, "pause_if_replica_lag"),
                 bytes(fcinfo, first + arg_wal_rate, "max_wal_rate")};
    if (PG_ARGISNULL(first + arg_chunk)) {
        if (pace.replica_lag > 0 || pace.wal_rate > 0)
            throw Error{ERRCODE_INVALID_PARAMETER_VALUE, "pause_if_replica_lag and max_wal_rate need chunks", "",
                        "Name the size of chunks: CALL refresh_mv.run('full', chunk => '1 month', ...)."};
        return std::nullopt;
    }
    if (mode != RefreshMode::full)
        throw Error{ERRCODE_INVALID_PARAMETER_VALUE, "only full refreshes go in chunks",
                    format("The mode is \"%s\".", name_of(mode)), "CALL refresh_mv.run('full', chunk => ...)."};
    std::string text = text_of(fcinfo, first + arg_chunk, "chunk");
    guard([&] { pace::check_right(pace); });
    return Chunking{size_of(text), text, PG_GETARG_BOOL(first + arg_resume), pace};
}

} // namespace refresh_mv
