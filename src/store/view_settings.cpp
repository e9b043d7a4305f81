#include "store/view_settings.hpp"

#include "store/view_names.hpp"

namespace refresh_mv {

namespace {

// An integer of the row that was returned.
int int_or(int column, int if_null)
{
    bool null;
    Datum value = statement::returned(0, column, &null);
    return null ? if_null : DatumGetInt32(value);
}

} // namespace

namespace view_settings {

ViewSettings read(Oid view)
{
    statement::Values values;
    MemoryContext context = CurrentMemoryContext;
    ViewSettings result = {nullptr, -1, nullptr, 0, 0, 0, false, false};

    if (!view_names::add(&values, view))
        return result;
    SPI_connect();
    statement::execute("SELECT date_column, window_days, keep_before, statement_timeout, lock_timeout, work_mem,"
                    " tracked, on_commit"
                    " FROM refresh_mv.settings" OF_VIEW,
                    values, SPI_OK_SELECT);
    if (SPI_processed > 0) {
        bool null;
        char *column = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
        result.date_column = column ? MemoryContextStrdup(context, column) : nullptr;
        result.window_days = int_or(2, -1);
        Datum keep = statement::returned(0, 3, &null);
        if (!null) {
            result.keep_before = static_cast<Interval *>(MemoryContextAlloc(context, sizeof(Interval)));
            *result.keep_before = *DatumGetIntervalP(keep);
        }
        result.statement_timeout = int_or(4, 0);
        result.lock_timeout = int_or(5, 0);
        result.work_mem = int_or(6, 0);
        result.tracked = DatumGetBool(statement::returned(0, 7, &null));
        result.on_commit = DatumGetBool(statement::returned(0, 8, &null));
    }
    SPI_finish();
    return result;
}

bool is_disabled(Oid view)
{
    statement::Values values;

    if (!view_names::add(&values, view))
        return false;
    SPI_connect();
    statement::execute("SELECT 1 FROM refresh_mv.settings" OF_VIEW " AND NOT enabled",
                    values, SPI_OK_SELECT);
    bool disabled = SPI_processed > 0;
    SPI_finish();
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
                      " false AS tracked, false AS on_commit"
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
                      "SELECT ctid FROM refresh_mv.settings" OF_VIEW " AND enabled AND NOT tracked"
                      " AND pg_catalog.num_nonnulls("
                      "date_column, window_days, keep_before, statement_timeout, lock_timeout, work_mem)"
                      " OPERATOR(pg_catalog.=) 0 FOR UPDATE",
                      values);
    SPI_finish();
}

} // namespace view_settings

} // namespace refresh_mv
