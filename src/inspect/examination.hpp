// What explain() finds out about a view, and the rows that it makes of that.
#pragma once

#include "incremental/incremental.hpp"
#include "inspect/explain.hpp"
#include "query/view.hpp"

namespace refresh_mv {

// Changes with which exact methods are planned: those in the log, or imagined ones.
struct Premise {
    List *changes; // NetChanges *
    bool imagined;
    const char *words;
    const Moment *as_of; // since when time has passed as well; null: none has
};

// What is found out about a view.
struct Examination {
    OpenView view;
    BaselineStatus baseline;
    bool with_details;
    bool to_owner;           // error messages may be told
    bool to_reader;          // what the view holds may be told
    const char *broken;      // the error that its query meets when it is planned; null: none
    const char *untrackable; // why it cannot be tracked; null: it can
    List *tracking;          // remedies for that
    List *sources;           // TrackedSource *, as they are or would be
    bool timed;              // its query goes by the time
    double full;             // the cost of a full refresh
    Gate gate;
    Method decision;         // what smart begins with
    const char *why;
    const char *hindrance;   // why the changes in the log lead to a full refresh; null: perhaps not
    Premise premise;         // nothing: no exact method can be planned
    QueryEnvironment *environment; // shows the changes
    TimestampTz deadline;    // for trying indexes
    ExactPlan delta;
    ExactPlan keys;
    List *indexes;           // remedies that make the exact methods cheaper
    const char *by_source;   // what a change of each source costs, in words
};

// A window refresh as planned.
struct WindowPlan {
    bool possible;
    int days;
    Query *held;
    Query *fresh;
};

namespace examination {

// The view's name as a literal, for statements.
char *literal(const Examination *e);

// Whether there is something with which exact methods can be planned.
bool has_premise(const Examination *e);

const char *changes_in_log(const Examination *e);

// Whether an exact method may cost as much as planned.
bool is_affordable(const Examination *e, const ExactPlan &plan);

// A row for each method, in their order; broken: of a view whose query cannot even be planned.
List *rows(const Examination *e, WindowPlan window);
List *rows_of_broken(const Examination *e);

} // namespace examination

} // namespace refresh_mv
