// What the processes of one call share: the call, its turns, who has taken which, and what became of the views.
//
//     create (caller) -> attach (workers) -> next, ended, next, ended ... (all) -> detach
//
// Invariants:
// - A turn is taken by one process at a time, and only when all turns that it waits for have ended: they have been
//   committed by then.  (A turn that has nothing to wait for can always be taken; views in a circle wait by their order.)
// - A turn whose process is gone before it ended has been rolled back, and is taken once more, by any other process,
//   which only writes down that it has failed.
// - Of turns that can be taken that comes first which has the most ahead of it, then that which comes first in the call.
// - Nobody holds a lock of PostgreSQL's lock manager while he waits for the board: such a wait is none that its
//   deadlock detection knows.
// - All of it is in one segment, which goes with the last process; the caller's end, whatever it is, ends the others.
#pragma once

#include "run/run.hpp"
#include "run/turns.hpp"
#include "server/message_box.hpp"

namespace refresh_mv {

struct Board; // in shared memory

namespace job_board {

// An error to be passed on, in memory of a fixed size: texts that are too long are cut.
struct Failure {
    int sqlstate; // 0: none
    char message[600];
    char detail[600];
    char hint[300];
    char context[600];
};

Failure failure(int sqlstate, const char *message, const char *detail = nullptr, const char *hint = nullptr,
                const char *context = nullptr);
Failure failure(const ErrorData *error);

// Makes a board for a call and so many processes, of which this is the first; null if there is no segment for it.
struct Plan {
    std::vector<turns::Places> turns;
    std::vector<turns::Places> readers; // of each turn the places of those that wait for it
    std::vector<int64_t> ahead;         // of each turn how much there is to do until its last reader has ended
};
Board *create(const Call &call, const Plan &plan, int processes);

// Attaches this process as one of them to its segment; null if the call has ended.
Board *attach(dsm_handle handle, int process);

// Takes this process off; it can do nothing with the board any more.
void detach();

// The segment of this process's board.
dsm_segment *segment();
dsm_handle handle(const Board *board);

// The state of the caller's session.
const char *session(const Board *board);

// The call, as workers carry it out.
Call call(const Board *board);

// Says by which snapshot all of it is to be read.
void set_snapshot(Board *board, const char *name, TimestampTz taken);

// What the workers say.
MessageBox *messages(Board *board, int process);

// Says that this process is ready to take turns; how many have been so far, the caller included.
void arrive(Board *board);
int arrived(Board *board);

// How many views are being refreshed, or wait for that.
int views_left(Board *board);

// Where the WAL of the last turn that has been committed ends.
XLogRecPtr last_commit(const Board *board);

// What became of each view, once all turns have ended.
std::vector<Outcome> outcomes(const Board *board);

// Gives no turn to anybody any more, for an error, which the caller then raises.
void stop(Board *board, const Failure &failure);

// Raises that error, if there is one.
void raise_failure(const Board *board);

// Says that the turn under way has failed with all its views, and has been rolled back.
void lose_turn(Board *board, const Failure &failure);

// Says so of all that nobody has taken, for want of processes.
void lose_rest(Board *board, const Failure &failure);

// Sleeps until something has changed.
void wait();

} // namespace job_board

// The turns of a board, as this process takes them.
class BoardTurns : public Turns {
public:
    explicit BoardTurns(Board *board) : board_(board) {}
    bool next(Turn *turn) override;
    void begin(const Turn &turn) override;
    void ended(const std::vector<Outcome> &outcomes) override;

protected:
    // What else this process has to see to, before it takes a turn and whenever something has changed.
    virtual void attend() {}

    // What it tells before it sleeps.
    virtual void idle() {}

    Board *board_;
};

} // namespace refresh_mv
