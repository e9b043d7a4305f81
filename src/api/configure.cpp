#include "api/configure.hpp"

#include "query/query.hpp"
#include "query/view.hpp"
#include "refresh/date_window.hpp"
#include "refresh/listeners.hpp"
#include "refresh/row_condition.hpp"
#include "server/method.hpp"
#include "store/view_settings.hpp"
#include "tracking/registry.hpp"

namespace refresh_mv {

namespace {

// The arguments of refresh_mv.configure() after the view, in order.
enum Argument {
    arg_date_column = 1,
    arg_window_days,
    arg_keep_before,
    arg_enabled,
    arg_statement_timeout,
    arg_lock_timeout,
    arg_work_mem,
    arg_notify,
    arg_feed_keep,
    arg_max_lag
};

constexpr int most_settings = 10;

struct Changes {
    SettingChange list[most_settings];
    int count;
};

void add(Changes *changes, const char *column, Oid type, Datum value, bool null)
{
    changes->list[changes->count++] = {column, type, value, null};
}

[[noreturn]] void refuse(const char *setting, const char *value, const char *hint)
{
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("invalid value for %s: \"%s\"", setting, value), errhint("%s", hint)));
    pg_unreachable();
}

// A quantity with a unit, as in postgresql.conf; '' leaves the setting as it is.
void add_quantity(Changes *changes, FunctionCallInfo fcinfo, int argument, const char *column,
                  int unit, int least)
{
    if (PG_ARGISNULL(argument)) {
        add(changes, column, INT4OID, 0, true);
        return;
    }
    char *given = text_to_cstring(PG_GETARG_TEXT_PP(argument));
    const char *hint = nullptr;
    int value;
    if (*given == '\0')
        return;
    if (!parse_int(given, &value, unit, &hint) || value < least)
        refuse(column, given,
               hint ? hint : "Give a number with a unit, such as \"5min\" or \"64MB\".");
    add(changes, column, INT4OID, Int32GetDatum(value), false);
}

// Checks that the view can be refreshed along the named column.
void check_date_column(Relation view, const char *name)
{
    WindowColumn window = shape::window_column(view, query::stored(view), name);
    if (window.attno == 0)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("column \"%s\" cannot be the date column of materialized view \"%s\"", name,
                        RelationGetRelationName(view)),
                 errdetail_internal("For this view %s.", window.reason),
                 errhint("Choose a date or timestamp column that the view groups by.")));
}

void add_date_column(Changes *changes, FunctionCallInfo fcinfo, Relation view)
{
    if (PG_ARGISNULL(arg_date_column)) {
        add(changes, "date_column", TEXTOID, 0, true);
        return;
    }
    char *name = text_to_cstring(PG_GETARG_TEXT_PP(arg_date_column));
    if (*name == '\0')
        return;
    check_date_column(view, name);
    add(changes, "date_column", TEXTOID, CStringGetTextDatum(name), false);
}

void add_window_days(Changes *changes, FunctionCallInfo fcinfo)
{
    constexpr int unchanged = -1;
    if (PG_ARGISNULL(arg_window_days)) {
        add(changes, "window_days", INT4OID, 0, true);
        return;
    }
    int days = PG_GETARG_INT32(arg_window_days);
    if (days == unchanged)
        return;
    if (days < 0 || days > most_days)
        refuse("window_days", psprintf("%d", days), "Give a number of days from 0 to 36500.");
    add(changes, "window_days", INT4OID, Int32GetDatum(days), false);
}

// '-1 days', the default, leaves the setting as it is.  Returns whether it is another one.
bool add_interval(Changes *changes, FunctionCallInfo fcinfo, int argument, const char *column)
{
    if (PG_ARGISNULL(argument)) {
        add(changes, column, INTERVALOID, 0, true);
        return true;
    }
    Interval *age = PG_GETARG_INTERVAL_P(argument);
    Interval zero = {0, 0, 0};
    if (age->time == 0 && age->day == -1 && age->month == 0)
        return false;
    if (DatumGetInt32(DirectFunctionCall2(interval_cmp, IntervalPGetDatum(age),
                                          IntervalPGetDatum(&zero)))
        < 0)
        refuse(column, DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(age))),
               "Give an interval that is not negative.");
    add(changes, column, INTERVALOID, IntervalPGetDatum(age), false);
    return true;
}

// Fails if keep_before is set and the view has no date column.
void check_keep_before(Relation view)
{
    ViewSettings settings = view_settings::read(RelationGetRelid(view));
    row_condition::kept(view, shape::window_column(view, query::stored(view), settings.date_column),
                settings.keep_before);
}

// Whether other rows may have to be kept now, though no source has changed.
bool changes_kept_rows(const Changes &changes)
{
    for (int i = 0; i < changes.count; i++)
        if (strcmp(changes.list[i].column, "keep_before") == 0
            || strcmp(changes.list[i].column, "date_column") == 0)
            return true;
    return false;
}

} // namespace

namespace configure {

void configure(Oid oid, FunctionCallInfo fcinfo)
{
    Changes changes{};

    view::check_owner(oid);
    view::prepare_existing(oid);
    Relation view = table_open(oid, NoLock);
    add_date_column(&changes, fcinfo, view);
    add_window_days(&changes, fcinfo);
    add_interval(&changes, fcinfo, arg_keep_before, "keep_before");
    if (!PG_ARGISNULL(arg_enabled))
        add(&changes, "enabled", BOOLOID, PG_GETARG_DATUM(arg_enabled), false);
    add_quantity(&changes, fcinfo, arg_statement_timeout, "statement_timeout", GUC_UNIT_MS, 1);
    add_quantity(&changes, fcinfo, arg_lock_timeout, "lock_timeout", GUC_UNIT_MS, 1);
    add_quantity(&changes, fcinfo, arg_work_mem, "work_mem", GUC_UNIT_KB, 64);
    if (!PG_ARGISNULL(arg_notify))
        add(&changes, "notify", BOOLOID, PG_GETARG_DATUM(arg_notify), false);
    bool feed = add_interval(&changes, fcinfo, arg_feed_keep, "feed_keep");
    add_interval(&changes, fcinfo, arg_max_lag, "max_lag");
    view_settings::change(oid, changes.list, changes.count);
    if (feed)
        listeners::follow_setting(oid);
    check_keep_before(view);
    if (changes_kept_rows(changes))
        registry::give_up_baseline(oid, "keep_before or date_column was changed");
    table_close(view, NoLock);
}

} // namespace configure

} // namespace refresh_mv
