// What is known of tracked views and their sources: rows of refresh_mv.tracked,
// sources, members, uses, state and log.
//
// Invariants:
// - An entry of the log is new to a view if its baseline snapshot does not show
//   the entry's transaction; of the refresh's own transaction, if it was written
//   after the refresh.  Nothing else decides, floors only spare reading.
// - Entries below the floor of every view that reads their relation are purged;
//   a view without a baseline has the floor 0.
#pragma once

#include "query/time_conditions.hpp"

namespace refresh_mv {

// A relation with a source's triggers, and what they looked like when they were
// installed.
struct Member {
    Oid relation;
    const char *fingerprint;
};

// A source as it is being logged, and what one view uses of it.
struct TrackedSource {
    Oid relation;
    int64 layout;  // of its entries (see logged_relation.hpp)
    bool exact;
    bool on_commit;
    Oid key_index;
    List *key;     // column names
    List *columns; // all that are logged, the key included
    List *members;     // as a list of Member *, by oid
    List *used;    // by the view
    bool coarse;   // which does not need its rows
};

// What refreshes of a view have taken, in milliseconds; 0: not known.
struct Experience {
    double full_ms;    // the last full one
    double full_rows;  // how many rows that wrote
    double exact_ms;   // the last exact one
    double exact_rate; // exact ones, for each unit of the planner's costs
    double change_ms;  // exact ones, for each change, where there are many
};

// How a tracked view stands to the log.
struct Standing {
    bool baseline;       // there is one
    const char *settings; // under which the view was computed; null: does not matter
    const char *meaning;  // of its query then, as meaning::fingerprint() has it
    const char *groups;   // what its state of groups is of; null: there is none
    const char *files;    // of its sources then, as source_files::fingerprint() has it
    int64 entries;       // that had to be looked at
    int64 pending;       // new records
    TimestampTz oldest;  // when the first of these was written; 0: there are none
    const char *reason;  // why they do not tell all that has changed; null: they do
    const char *kept;    // the bound of what keep_before kept then; null: nothing was kept
    bool timed;          // the baseline is as of a time, since the view goes by that
    Moment as_of;
    Experience experience;
};

namespace registry {

// ---- under the active snapshot ----

// The sources of a tracked view, as a list of TrackedSource *; NIL if it is not.
List *sources_of(Oid view);

// How the view with such sources (TrackedSource *) stands to what the active snapshot shows.
Standing standing(Oid view, List *sources);

// When the first change was logged that a view with a baseline has not seen; 0: there is none.  *baseline tells whether
// there is one, and *as_of as of when, if the view goes by the time (else 0).
TimestampTz oldest_change(Oid view, bool *baseline, TimestampTz *as_of);

// ---- as the tables are now ----

// The sources of a tracked view, as sources_of() gives them.  Whoever changes what is
// tracked goes by these: another call in the same statement may have changed it just before.
List *sources_now(Oid view);

// How a relation is logged; false if it is not.
bool source(Oid relation, TrackedSource *source);

// Notes in the list of sources that were changed (log/touched.hpp) one of which it is not
// known whether a view is refreshed on commit because of it.
void touch(Oid source);

// What goes with a baseline, besides the snapshot.
struct Circumstances {
    const char *settings; // or null
    const char *meaning;  // as meaning::fingerprint() has it
    const char *groups;   // the fingerprint of the groups whose state goes with it, or null
    const char *files;    // as source_files::fingerprint() has it
    bool timed;           // the view goes by the time, which is the present one
    const char *kept;     // the bound of what keep_before keeps, or null
    Experience experience;
};

// Makes the active snapshot the view's baseline.  The floor is raised only if entries
// below it can be purged now, so that whoever finds none above his floor knows that
// none are left for him to purge.
void save_baseline(Oid view, const Circumstances &circumstances, bool raise_floor);

// Has the baselines of views that read a relation follow it to another file, whose
// contents differ by what was logged.  before and now as source_files::of_relation() has it.
void follow_file(Oid relation, const char *before, const char *now);

// Whether a baseline has been saved in this transaction that may have seen what was
// changed by a command of it.
bool baseline_has_seen(CommandId command);

// Whether the active snapshot shows the view's baseline, or that there is none, as it is now.
bool shows_last_baseline(Oid view);

// Makes the view's baseline worthless, by an entry in the log: its row in state is
// locked by whoever is refreshing the view.
void give_up_baseline(Oid view, const char *reason);

// Removes the baseline of a view that is not tracked any more; waits for whoever is
// refreshing the view.
void drop_baseline(Oid view);

// Notes what the meaning of a view's query depends on, so that commands are noticed that
// change it.  The view is locked.
void save_uses(Oid view);

// Notes what a view reads: sources as a list of Source *; and the same.
void save_view(Oid view, List *sources, bool on_commit, bool coarse);

// Forgets the view; returns the sources that it had.
List *forget_view(Oid view);

// The columns of a source that tracked views use, whether any of them is refreshed on
// commit, and whether none needs its rows.
List *used_columns(Oid relation, bool *on_commit, bool *coarse);

// How many tracked views read a source.
int64 count_readers(Oid relation);

void save_source(const TrackedSource &source);
void forget_source(Oid relation);

// Whether a view that reads the source has a baseline.
bool has_baselines(Oid relation);

// Forgets views that have been dropped; returns the sources that nobody reads.
List *unread_sources();

// Tables with this extension's triggers that belong to no source: restored from a
// dump without their views, or partitions detached while they were in use.
List *stray_tables();

// The tracked views, as pairs with their sources, that are refreshed on commit and read
// one of the relations, or such a view, or whose queries have another meaning now.
struct OnCommitView {
    Oid view;
    Oid source;
};
OnCommitView *on_commit_views(List *relations, List *changed_views, int *count);

} // namespace registry

} // namespace refresh_mv
