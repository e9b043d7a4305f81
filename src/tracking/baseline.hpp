// What is known of the changes of a view's sources since its last refresh.
//
// Invariants:
// - "Nothing has changed" is said only if every change since the baseline would
//   be in the log, and the view's result depends on nothing else.
// - A baseline is saved only if every change after the snapshot will be in the log.
#pragma once

#include "tracking/registry.hpp"

namespace refresh_mv {

struct BaselineStatus {
    bool tracked;         // as the settings say
    const char *unknown;  // why changes are not known; null: they are
    bool damaged;         // tracking is not whole, and perhaps can be made so
    bool can_save;        // a new one can be taken
    int64 pending;        // changed rows in the log, if they are known
    int64 entries;        // of the log that had to be looked at
    TimestampTz oldest;   // when the first changed row was logged that the baseline does not show; 0: there is none
    const char *settings; // that the view's result depends on; null: on none
    const char *meaning;  // of its query, as meaning::fingerprint() has it
    bool other_meaning;   // than at the baseline
    const char *groups;   // what the baseline's state of groups is of
    const char *files;    // of the sources, as source_files::fingerprint() has it
    List *sources;        // TrackedSource *
    const char *kept;     // the bound of what keep_before kept at the baseline; null: nothing was kept
    bool timed;           // the result depends on the time, by conditions
    Moment as_of;         // that of the baseline
    Experience experience;

    // Whether time has passed that may have changed the result.
    bool time_has_passed() const { return timed && !time_conditions::same(as_of, time_conditions::present()); }
};

// What is made of a statement that is changing a source of a view right now: its changes are there
// and not yet in the log.  It is refused to refresh the view, or changes are not known.
enum class Amidst { refused, allowed };

namespace baseline {

// What the bound of kept rows begins with if a refresh in chunks has not ended: the baseline counts for what that has done,
// and nobody else knows what that is.
constexpr char chunks_mark[] = "chunks ";

// What the active snapshot shows of a view that is open for its refresh; with a mark, for the refresh in chunks whose
// mark that is.
BaselineStatus look(Relation view, bool tracked, Amidst amidst = Amidst::refused, const char *mark = nullptr);

// Whether the baseline is that of a refresh in chunks that has not ended.
bool is_of_chunks(const BaselineStatus &baseline);

// Makes the active snapshot the baseline of a view that now holds what its query
// returns under it, from the bound of what keep_before keeps on (null: all of it), with the state of such
// groups (null: none), and removes log entries that nobody needs any more.
void save(Oid view, const BaselineStatus &baseline, const char *groups, const char *kept);

} // namespace baseline

} // namespace refresh_mv
