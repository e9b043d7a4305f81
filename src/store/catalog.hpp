// The extension's own tables in schema refresh_mv, and only these: settings,
// the mark of the last merge, the journal.
//
// Users have no privileges on them, so every access switches to the schema's
// owner for the length of one statement.  Statements name everything in full,
// operators included: the caller's search_path has no say.
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
};

// A change of one setting: a value, or null to reset it.
struct SettingChange {
    const char *column; // of refresh_mv.settings
    Oid type;
    Datum value;
    bool null;
};

// A row of the journal.
struct JournalEntry {
    int64 run; // 0: none
    Oid view;
    const char *mode;
    const char *method;
    const char *reason;
    TimestampTz started;
    int64 duration; // microseconds
    int64 inserted;
    int64 updated;
    int64 deleted;
    int64 unchanged;
    TimestampTz snapshot_time;
    bool success;
    const char *sqlstate; // null if it succeeded
    const char *message;  // likewise
    const char *source;
};

namespace catalog {

// Whether a relation belongs to this extension.
bool is_member(Oid relation);

// The settings of a view, and whether refreshes of all views leave it out.
ViewSettings settings(Oid view);
bool is_disabled(Oid view);

// Changes settings of a view.
void change_settings(Oid view, const SettingChange *changes, int count);

// Notes that the current transaction merges rows into a view.  Under REPEATABLE
// READ it fails with SQLSTATE 40001 if a merge has been committed that the
// transaction's snapshot does not show.
void note_merge(Oid view);

// The pairs (view, materialized view that it reads), *count of them.
struct ViewPair {
    Oid view;
    Oid source;
};
ViewPair *dependencies(int *count);

// Fails unless the extension's objects are those of this library's version.
void check_version();

// A number for a run, and the journal.  purge() removes entries of a view that
// are older than so many days; the caller has the view prepared for a refresh.
int64 new_run();
void record(const JournalEntry &entry);
void purge(Oid view, int days);

// Notes the name of a view, by which it is found again after it is renamed.  The
// caller has the view prepared for a refresh.
void note_name(Oid view);

// How many times in a row the view's last refreshes have failed.
int consecutive_failures(Oid view);

// The process that holds the given lock on a view, or 0.
int holder_of_refresh_lock(Oid view, uint16 lock);

} // namespace catalog

} // namespace refresh_mv
