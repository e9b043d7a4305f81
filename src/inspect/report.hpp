// One page about all materialized views: what reads what, how fresh each is, what its last
// refreshes did, what has failed, and what would help.
//
// Invariants:
// - It tells what the caller could select and explain himself, and nothing else: its queries run
//   as the caller, and a view is explained only to those who may see it.
// - Nothing is written; to explain takes no longer than it is given, but for the last view, and
//   waits for no lock (the function's lock_timeout is short).
// - The page is one file, in ASCII, well-formed as HTML and as XML.  It runs no script and loads nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace refresh_mv::report {

// A run of the history.
struct Run {
    std::string started;
    double ms;
    std::string method;
    double written; // rows
    double lag_ms;
    bool success;
    std::string sqlstate;
    std::string reason; // why by this method; of a failure the message, for those who may read it
};

struct Advice {
    std::string statement;
    std::string reason;
};

// How a view stands, the worst first.
enum class Freshness { failing, empty, stale, unknown, fresh, hidden };

// A materialized view, or something that one reads.  Numbers below 0, and texts that are
// empty, are not known.
struct Relation {
    uint32_t oid = 0;
    std::string schema;
    std::string name;
    std::string kind; // of what is no view

    // of a view:
    bool is_view = false;
    bool readable = false; // more than its name may be told
    Freshness freshness = Freshness::hidden;
    std::string owner;
    std::string literal; // its name in statements, quoted as a string
    bool tracked = false;
    bool enabled = true;
    std::string why_unknown;
    double pending = -1;
    int failures = 0;
    std::string last_success;
    std::string last_method;
    std::string keep_before;
    double last_ms = -1;
    double lag_ms = -1;
    double max_lag_ms = -1;
    bool max_lag_missed = false; // it cannot be kept as runs go
    double rows = -1;
    double bytes = -1;
    std::vector<Run> runs; // the last ones, in order
    bool explained = false;
    std::string next_method; // of a smart refresh now, and why
    std::string next_reason;
    std::vector<Advice> advice;
};

struct Contents {
    std::string database;
    std::string role;
    std::string server;
    std::string extension;
    std::string now;
    int explained = 0;
    bool explaining = true;          // was wanted
    std::vector<Relation> relations; // views first, those in need before others
    int views = 0;
    std::vector<std::pair<int, int>> edges; // from what is read to its reader
};

// Reads all that; explains views for so many microseconds.
Contents read(int64_t explain_for);

// Makes the page of it.
std::string page(const Contents &contents);

} // namespace refresh_mv::report
