#include "inspect/report_words.hpp"

#include <cmath>

namespace refresh_mv::report {

namespace {

std::string with_unit(double number, const char *unit)
{
    char text[64];
    snprintf(text, sizeof(text), number < 9.95 && std::floor(number) != number ? "%.1f %s" : "%.0f %s", number, unit);
    return text;
}

// Two units, the second one if it is not 0.
std::string with_rest(double number, double part, const char *unit, const char *lesser)
{
    double whole = std::floor(number / part);
    double rest = std::floor(number - whole * part);
    return with_unit(whole, unit) + (rest > 0 ? " " + with_unit(rest, lesser) : "");
}

// A whole number with commas.
std::string grouped(double number)
{
    char digits[64];
    snprintf(digits, sizeof(digits), "%.0f", number);
    std::string text = digits;
    for (int place = static_cast<int>(text.size()) - 3; place > 0; place -= 3)
        text.insert(place, ",");
    return text;
}

} // namespace

std::string duration(double ms)
{
    double seconds = ms / 1000;
    if (ms < 1)
        return ms <= 0 ? "0 ms" : "under 1 ms";
    if (seconds < 1)
        return with_unit(std::floor(ms), "ms");
    if (seconds < 60)
        return with_unit(seconds, "s");
    if (seconds < 3600)
        return with_rest(seconds, 60, "min", "s");
    if (seconds < 86400)
        return with_rest(seconds / 60, 60, "h", "min");
    return with_rest(seconds / 3600, 24, "d", "h");
}

std::string count(double number, const char *one, const char *many)
{
    return grouped(number) + " " + (number == 1 ? one : many);
}

std::string size(double bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    int unit = 0;
    for (; bytes >= 1024 && unit < 5; unit++)
        bytes /= 1024;
    return with_unit(bytes, units[unit]);
}

Cure cure(const std::string &sqlstate)
{
    auto is = [&](const char *code) { return sqlstate == code; };
    auto begins = [&](const char *code) { return sqlstate.compare(0, 2, code) == 0; };
    if (is("57014"))
        return {"It ran into a time limit, or was cancelled. Give it longer, or have it refreshed more often, so that there is less to do.",
                "SELECT refresh_mv.configure(", ", statement_timeout => '30min');"};
    if (is("55P03"))
        return {"Somebody else had it, or what it reads, locked. See pg_locks for who that is; or have it wait longer.",
                "SELECT refresh_mv.configure(", ", lock_timeout => '1min');"};
    if (is("55000"))
        return {"What it reads has no data: see to the views that it reads first. Their failures are on this page, too.", "", ""};
    if (is("42501"))
        return {"The owner of the view may not do what its query does. GRANT him that right.", "", ""};
    if (is("23505"))
        return {"The rows that its query returns do not fit a unique index of the view. Look for the key of the message in the query's "
                "result, and mend the data, the query or the index.", "", ""};
    if (begins("22"))
        return {"Its query fails on the data as they are: mend the data, or give the view a query that bears them.",
                "SELECT refresh_mv.replace_query(", ", 'SELECT ...');"};
    if (begins("42"))
        return {"Its query does not work any more: something that it names is gone, or another. Make that again, or give the view another query.",
                "SELECT refresh_mv.replace_query(", ", 'SELECT ...');"};
    if (begins("53"))
        return {"The server has run out of something: disk, memory or connections. Make room; then refresh the view again.", "", ""};
    if (begins("40"))
        return {"Others have written at the same time. Refresh it again: outside of REPEATABLE READ if that happens often.", "", ""};
    if (begins("08") || begins("HV"))
        return {"A foreign server could not be asked. See that it can be reached; then refresh the view again.", "", ""};
    return {"Refresh it by itself to see the whole error.", "CALL refresh_mv.run('full', views => ARRAY[", "]::regclass[]);"};
}

} // namespace refresh_mv::report
