// The values that stages hand to each other.  No PostgreSQL types: the stages
// that only think (strategy, graph) are compiled and tested without a server.
#pragma once

#include <cstdint>
#include <string>

namespace refresh_mv {

enum class RefreshMode { full, incremental, smart, where };

// none: the view was left alone; skip: so was it, for nothing has changed.
enum class Method { none, skip, delta, keys, window, full, rebuild, where };

// The way in which a refresh begins: by the log is either delta or keys, as the query and
// the changes have it, or skip, if these come to nothing.
enum class Approach { skip, by_log, window, full, rebuild, where };

constexpr const char *name_of(RefreshMode mode)
{
    switch (mode) {
    case RefreshMode::full:
        return "full";
    case RefreshMode::incremental:
        return "incremental";
    case RefreshMode::smart:
        return "smart";
    case RefreshMode::where:
        return "where";
    }
    return "";
}

constexpr const char *name_of(Method method)
{
    switch (method) {
    case Method::none:
        return "none";
    case Method::skip:
        return "skip";
    case Method::delta:
        return "delta";
    case Method::keys:
        return "keys";
    case Method::window:
        return "window";
    case Method::full:
        return "full";
    case Method::rebuild:
        return "rebuild";
    case Method::where:
        return "where";
    }
    return "";
}

// Whether a method recomputes a part of a view, of which it knows that nothing else
// can differ or was not to be looked at.
constexpr bool is_partial(Method method)
{
    return method == Method::delta || method == Method::keys || method == Method::window;
}

// The farthest that a window or the journal can reach back.
constexpr int most_days = 36500;

// What was asked for.
struct Request {
    RefreshMode mode;
    int days;      // reach of the window in incremental mode
    bool may_swap; // the transaction ends soon: readers would not wait for long
    bool quiet;    // no NOTICEs: nobody asked for this
    bool as_core = false; // what REFRESH promises is to be kept, and done wherever REFRESH would be: no window
    int64_t run = 0;      // its number in the history; 0: none
};

// What strategy needs to know of a view.
struct ViewStatus {
    bool populated;
    bool windowable;
    std::string not_windowable; // why not, in words
    bool has_data;
    int days_behind;    // newest value of the date column against current_date
    std::string newest; // the same as a date, for people
    std::string doubt;  // why rows that are not recent may have changed; empty: they are trusted
    int window_days;    // configured reach of smart's window; negative: none
    bool tracked;
    std::string unknown; // why changes since the last refresh are not known
    int64_t pending;     // changed rows in the log, if they are known
    bool time_passed;    // which may change the result
};

// How to refresh a view, and why.
struct Decision {
    Approach approach;
    int days; // reach of the window, for Approach::window
    std::string reason;
    std::string trouble = {}; // see Refreshed
};

// Rows that a refresh wrote, and rows it left alone inside its scope.
struct RowCounts {
    uint64_t inserted;
    uint64_t updated;
    uint64_t deleted;
    uint64_t unchanged;
};

// What a refresh did to a view.  An error that it met on its way, and got round, may quote
// data: its text is not part of the reason.
struct Refreshed {
    Method method;
    std::string reason;
    std::string trouble;
    RowCounts rows;
    bool damaged; // the view is tracked, and its tracking is not whole
    int64_t oldest = 0; // when the first change was logged that it took in, as TimestampTz; 0: there was none, or it is not known
};

// What became of a view in a call.  Times are microseconds, as TimestampTz.
struct Outcome {
    uint32_t view;
    std::string name; // for people and for regclass
    bool success;
    Refreshed refreshed;
    std::string error;
    int sqlstate; // of the error
    int64_t started;
    int64_t snapshot_time;
    int64_t duration;
};

} // namespace refresh_mv
