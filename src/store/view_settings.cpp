#include "store/view_settings.hpp"

#include "store/own_rows.hpp"
#include "store/view_names.hpp"

namespace refresh_mv {

namespace {

// An integer of a row.
int int_or(const own_rows::Scan &row, const char *column, int if_null)
{
    bool null;
    Datum value = own_rows::value(row, column, &null);
    return null ? if_null : DatumGetInt32(value);
}

// An interval of a row.
Interval *interval_or_null(const own_rows::Scan &row, const char *column)
{
    bool null;
    Datum value = own_rows::value(row, column, &null);
    if (null)
        return nullptr;
    auto *interval = static_cast<Interval *>(palloc(sizeof(Interval)));
    *interval = *DatumGetIntervalP(value);
    return interval;
}

ViewSettings settings_in(const own_rows::Scan &row)
{
    ViewSettings result{};
    result.keep_before = interval_or_null(row, "keep_before");
    result.date_column = own_rows::string(row, "date_column");
    result.window_days = int_or(row, "window_days", -1);
    result.statement_timeout = int_or(row, "statement_timeout", 0);
    result.lock_timeout = int_or(row, "lock_timeout", 0);
    result.work_mem = int_or(row, "work_mem", 0);
    result.tracked = own_rows::truth(row, "tracked");
    result.on_commit = own_rows::truth(row, "on_commit");
    result.notify = own_rows::truth(row, "notify");
    result.feed_keep = interval_or_null(row, "feed_keep");
    result.max_lag = interval_or_null(row, "max_lag");
    result.coarse = own_rows::truth(row, "coarse");
    return result;
}

} // namespace

namespace view_settings {

ViewSettings read(Oid view)
{
    ViewSettings result{};
    result.window_days = -1;
    ViewName name = view_names::of(view);

    if (name.view == nullptr)
        return result;
    own_rows::Scan scan = own_rows::begin("settings", own_rows::Under::newest_snapshot, view_names::Keys(name).keys);
    if (own_rows::next(&scan))
        result = settings_in(scan);
    own_rows::end(&scan);
    return result;
}

bool is_disabled(Oid view)
{
    ViewName name = view_names::of(view);
    if (name.view == nullptr)
        return false;
    own_rows::Scan scan = own_rows::begin("settings", own_rows::Under::newest_snapshot, view_names::Keys(name).keys);
    bool disabled = own_rows::next(&scan) && !own_rows::truth(scan, "enabled");
    own_rows::end(&scan);
    return disabled;
}

void change(Oid view, const SettingChange *changes, int count)
{
    statement::Values values;

    if (!view_names::add(&values, view))
        return;
    view_names::note(view);
    SPI_connect();
    statement::change("settings",
                      "SELECT NULL::pg_catalog.tid, $1 AS view_schema, $2 AS view_name, true AS enabled,"
                      " false AS tracked, false AS on_commit, false AS notify, false AS coarse"
                      " WHERE NOT EXISTS (SELECT FROM refresh_mv.settings" OF_VIEW ")",
                      values);
    for (int i = 0; i < count; i++) {
        statement::Values changed = values;
        statement::change("settings",
                          psprintf("SELECT ctid, $3 AS %s FROM refresh_mv.settings" OF_VIEW " FOR UPDATE",
                                   changes[i].column),
                          changed.add(changes[i].type, changes[i].value, changes[i].null));
    }
    statement::change("settings",
                      "SELECT ctid FROM refresh_mv.settings" OF_VIEW " AND enabled AND NOT tracked AND NOT notify"
                      " AND pg_catalog.num_nonnulls(date_column, window_days, keep_before, statement_timeout,"
                      " lock_timeout, work_mem, feed_keep, max_lag)"
                      " OPERATOR(pg_catalog.=) 0 FOR UPDATE",
                      values);
    SPI_finish();
}

} // namespace view_settings

} // namespace refresh_mv
