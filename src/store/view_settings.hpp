// The settings of views, refresh_mv.settings.
#pragma once

#include "server/pg.hpp"

namespace refresh_mv {

// The settings of a view.  A time of 0 and null pointers mean "not set".
struct ViewSettings {
    const char *date_column;
    int window_days; // negative: not set
    Interval *keep_before;
    int statement_timeout; // milliseconds
    int lock_timeout;      // milliseconds
    int work_mem;          // kilobytes
    bool tracked;
    bool on_commit;
    bool notify;
    Interval *feed_keep;
    Interval *max_lag;
    bool coarse; // it does not need to know which rows have changed
};

// A change of one setting: a value, or null to reset it.
struct SettingChange {
    const char *column; // of refresh_mv.settings
    Oid type;
    Datum value;
    bool null;
};

namespace view_settings {

// The settings of a view, and whether refreshes of all views leave it out.
ViewSettings read(Oid view);
bool is_disabled(Oid view);

// Changes settings of a view.
void change(Oid view, const SettingChange *changes, int count);

} // namespace view_settings

} // namespace refresh_mv
