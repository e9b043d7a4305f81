#include "run/job_board.hpp"

#include "server/bridge.hpp"
#include "server/deferred_flush.hpp"
#include "server/session_state.hpp"

#include <numeric>

namespace refresh_mv {

namespace {

enum class State { open, taken, ended };

// How the process of a turn ended.
struct Lost {
    int sqlstate; // 0: it has not
    char message[200];
};

struct SharedTurn {
    State state;
    uint32 first;       // of its views, in the board's order of turns
    uint32 count;
    uint32 waiting;     // for how many turns
    int32 upstream;     // the place of the first view that has failed of those that it reads; -1: none has
    uint32 first_reader;
    uint32 readers;
    int64 ahead;
    Lost lost;
};

struct SharedView {
    Oid oid;
    uint32 name; // its place in the names
    bool success;
    Method method;
    RowCounts rows;
    int sqlstate;
    int64 started;
    int64 duration;
    char text[1000]; // the error, or the reason
};

struct Process {
    PGPROC *proc; // null: it has not come, or is gone
    int turn;     // -1: none
    MessageBox box;
};

// Where each array is, in bytes from the head of the segment.
struct Layout {
    Size turns, places, readers, views, names, edges, processes, session, size;
};

} // namespace

struct Board {
    LWLock lock;
    dsm_handle handle;
    Layout at;
    uint32 turns, views, edges;
    int processes;
    int arrived;
    uint32 turns_left;
    bool stopped;
    XLogRecPtr last_commit; // of all turns
    job_board::Failure failure;
    char snapshot[64];
    // The call, but for its views and their edges.
    Request request;
    bool wait, by_lag, one_snapshot;
    Caller source;
    int64 next_call, run, began, snapshot_time;

    template <class T>
    T *array(Size offset) const
    {
        return reinterpret_cast<T *>(reinterpret_cast<char *>(const_cast<Board *>(this)) + offset);
    }
    SharedTurn *turn(uint32 i) const { return array<SharedTurn>(at.turns) + i; }
    SharedView *view(uint32 i) const { return array<SharedView>(at.views) + i; }
    Process *process(int i) const { return array<Process>(at.processes) + i; }
    uint32 *places() const { return array<uint32>(at.places); }
    uint32 *readers() const { return array<uint32>(at.readers); }
    Edge *edge(uint32 i) const { return array<Edge>(at.edges) + i; }
    char *names() const { return array<char>(at.names); }
};

namespace {

dsm_segment *mapped = nullptr; // this process's segment
int own = 0;                    // its number

void lock(const Board *board, LWLockMode mode)
{
    LWLockAcquire(&const_cast<Board *>(board)->lock, mode);
}

void unlock(const Board *board)
{
    LWLockRelease(&const_cast<Board *>(board)->lock);
}

// Wakes all processes; the board is locked.
void wake(Board *board)
{
    for (int i = 0; i < board->processes; i++)
        if (board->process(i)->proc != nullptr)
            SetLatch(&board->process(i)->proc->procLatch);
}

// Copies a text, as much of it as there is room for.
template <size_t N>
void copy(char (&to)[N], const char *from)
{
    size_t length = from == nullptr ? 0 : strlen(from);
    if (length >= N)
        length = static_cast<size_t>(pg_mbcliplen(from, static_cast<int>(length), N - 1));
    if (length > 0)
        memcpy(to, from, length);
    to[length] = '\0';
}

// ---- laying it out ----

template <class Lists>
Size total(const Lists &lists)
{
    return std::accumulate(lists.begin(), lists.end(), Size{0},
                           [](Size sum, const auto &list) { return sum + list.size(); });
}

Layout layout(const Call &call, const job_board::Plan &plan, int processes, Size session)
{
    Layout at{};
    Size end = MAXALIGN(sizeof(Board));
    auto place = [&](Size size) {
        Size here = end;
        end = CACHELINEALIGN(end + size);
        return here;
    };
    at.turns = place(sizeof(SharedTurn) * plan.turns.size());
    at.places = place(sizeof(uint32) * call.views.size());
    at.readers = place(sizeof(uint32) * total(plan.readers));
    at.views = place(sizeof(SharedView) * call.views.size());
    at.names = place(total(call.names) + call.names.size());
    at.edges = place(sizeof(Edge) * call.edges.size());
    at.processes = place(sizeof(Process) * static_cast<Size>(processes));
    at.session = place(session);
    at.size = end;
    return at;
}

void write_call(Board *board, const Call &call)
{
    board->request = call.request;
    board->wait = call.wait;
    board->by_lag = call.by_lag;
    board->one_snapshot = call.one_snapshot;
    board->source = call.source;
    board->next_call = call.next_call;
    board->run = call.run;
    board->began = call.began;
    board->snapshot_time = 0;
    uint32 name = 0;
    for (uint32 i = 0; i < call.views.size(); i++) {
        SharedView *view = board->view(i);
        memset(view, 0, sizeof(*view));
        view->oid = call.views[i];
        view->name = name;
        memcpy(board->names() + name, call.names[i].c_str(), call.names[i].size() + 1);
        name += static_cast<uint32>(call.names[i].size() + 1);
    }
    for (uint32 i = 0; i < call.edges.size(); i++)
        *board->edge(i) = call.edges[i];
}

void write_turns(Board *board, const job_board::Plan &plan)
{
    const std::vector<turns::Places> &turns = plan.turns;
    const std::vector<turns::Places> &readers = plan.readers;
    uint32 place = 0;
    uint32 reader = 0;
    for (uint32 i = 0; i < turns.size(); i++) {
        SharedTurn *turn = board->turn(i);
        memset(turn, 0, sizeof(*turn));
        turn->upstream = -1;
        turn->ahead = plan.ahead[i];
        turn->first = place;
        turn->count = static_cast<uint32>(turns[i].size());
        for (uint32 view : turns[i])
            board->places()[place++] = view;
        turn->first_reader = reader;
        turn->readers = static_cast<uint32>(readers[i].size());
        for (uint32 other : readers[i])
            board->readers()[reader++] = other;
    }
    for (uint32 i = 0; i < reader; i++)
        board->turn(board->readers()[i])->waiting++;
    board->turns_left = static_cast<uint32>(turns.size());
}

void init(Board *board, dsm_segment *own_segment, int processes)
{
    // No kind of lock of its own: there are few of those, and none is given back.  This one stands for just that:
    // processes that choose what to do next.
    LWLockInitialize(&board->lock, LWTRANCHE_PARALLEL_APPEND);
    board->handle = dsm_segment_handle(own_segment);
    board->processes = processes;
    board->arrived = 0;
    board->stopped = false;
    board->last_commit = InvalidXLogRecPtr;
    board->failure.sqlstate = 0;
    board->snapshot[0] = '\0';
    for (int i = 0; i < processes; i++) {
        board->process(i)->proc = nullptr;
        board->process(i)->turn = -1;
        message_box::init(&board->process(i)->box, MyProc);
    }
}

// ---- coming and going ----

// Gives back a turn that is not to end any more; the board is locked.
void give_back(Board *board, const job_board::Failure &failure)
{
    Process *process = board->process(own);
    if (process->turn < 0)
        return;
    SharedTurn *turn = board->turn(static_cast<uint32>(process->turn));
    turn->state = State::open;
    turn->lost.sqlstate = failure.sqlstate;
    copy(turn->lost.message, failure.message);
    process->turn = -1;
}

// At the end of this process, or when it detaches.  Its transaction has been rolled back by now.
void leave(dsm_segment *, Datum board_pointer)
{
    auto *board = reinterpret_cast<Board *>(DatumGetPointer(board_pointer));
    lock(board, LW_EXCLUSIVE);
    give_back(board, job_board::failure(ERRCODE_ADMIN_SHUTDOWN,
                                        "the background worker that was refreshing it has been terminated"));
    board->process(own)->proc = nullptr;
    if (own == 0)
        board->stopped = true;
    wake(board);
    unlock(board);
    mapped = nullptr;
}

void join(Board *board, int process)
{
    own = process;
    lock(board, LW_EXCLUSIVE);
    board->process(process)->proc = MyProc;
    unlock(board);
    on_dsm_detach(mapped, leave, PointerGetDatum(board));
}

// ---- turns ----

// The turn to be taken of those that wait for nothing; -1: there is none.
int ready_turn(const Board *board)
{
    int best = -1;
    for (uint32 i = 0; i < board->turns; i++) {
        const SharedTurn *turn = board->turn(i);
        if (turn->state == State::open && turn->waiting == 0
            && (best < 0 || turn->ahead > board->turn(static_cast<uint32>(best))->ahead))
            best = static_cast<int>(i);
    }
    return best;
}

// Takes one, and says which; -1: there is none now, -2: none will be.
int take(Board *board)
{
    lock(board, LW_EXCLUSIVE);
    int turn = board->stopped || board->turns_left == 0 ? -2 : ready_turn(board);
    if (turn >= 0) {
        board->turn(static_cast<uint32>(turn))->state = State::taken;
        board->process(own)->turn = turn;
    }
    unlock(board);
    return turn;
}

// Notes what became of a view of a turn.
void note(Board *board, const SharedTurn *turn, const Outcome &outcome)
{
    for (uint32 i = 0; i < turn->count; i++) {
        SharedView *view = board->view(board->places()[turn->first + i]);
        if (view->oid != outcome.view)
            continue;
        view->success = outcome.success;
        view->method = outcome.refreshed.method;
        view->rows = outcome.refreshed.rows;
        view->sqlstate = outcome.sqlstate;
        view->started = outcome.started;
        view->duration = outcome.duration;
        copy(view->text, outcome.success ? outcome.refreshed.reason.c_str() : outcome.error.c_str());
    }
}

// Lets those that wait for a turn know that it has ended, and whether by a failure.
void release_readers(Board *board, const SharedTurn *turn, bool failed)
{
    int32 upstream = turn->upstream >= 0 ? turn->upstream : failed ? static_cast<int32>(board->places()[turn->first]) : -1;
    for (uint32 i = 0; i < turn->readers; i++) {
        SharedTurn *reader = board->turn(board->readers()[turn->first_reader + i]);
        reader->waiting--;
        if (upstream >= 0 && (reader->upstream < 0 || upstream < reader->upstream))
            reader->upstream = upstream;
    }
}

} // namespace

namespace job_board {

Failure failure(int sqlstate, const char *message, const char *detail, const char *hint, const char *context)
{
    Failure failure;
    failure.sqlstate = sqlstate;
    copy(failure.message, message);
    copy(failure.detail, detail);
    copy(failure.hint, hint);
    copy(failure.context, context);
    return failure;
}

Failure failure(const ErrorData *error)
{
    return failure(error->sqlerrcode, error->message, error->detail, error->hint, error->context);
}

Board *create(const Call &call, const Plan &plan, int processes)
{
    Size session = guard([] { return session_state::size(); });
    Layout at = layout(call, plan, processes, session);
    bool made = guard([&] {
        mapped = dsm_create(at.size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
        if (mapped != nullptr)
            dsm_pin_mapping(mapped); // beyond this transaction
        return mapped != nullptr;
    });
    if (!made)
        return nullptr;
    auto *board = static_cast<Board *>(dsm_segment_address(mapped));
    board->at = at;
    board->turns = static_cast<uint32>(plan.turns.size());
    board->views = static_cast<uint32>(call.views.size());
    board->edges = static_cast<uint32>(call.edges.size());
    write_call(board, call);
    write_turns(board, plan);
    guard([&] {
        init(board, mapped, processes);
        session_state::write(board->array<char>(at.session));
        join(board, 0);
        job_board::arrive(board);
    });
    return board;
}

Board *attach(dsm_handle handle, int process)
{
    mapped = dsm_attach(handle);
    if (mapped == nullptr)
        return nullptr;
    auto *board = static_cast<Board *>(dsm_segment_address(mapped));
    message_box::redirect_to(&board->process(process)->box, mapped);
    join(board, process);
    return board;
}

void detach()
{
    if (mapped != nullptr)
        dsm_detach(mapped);
}

dsm_segment *segment()
{
    return mapped;
}

dsm_handle handle(const Board *board)
{
    return board->handle;
}

const char *session(const Board *board)
{
    return board->array<char>(board->at.session);
}

Call call(const Board *board)
{
    Call call = {board->request, {}, {}, board->wait, board->source};
    call.by_lag = board->by_lag;
    call.one_snapshot = board->one_snapshot;
    call.next_call = board->next_call;
    call.run = board->run;
    call.began = board->began;
    call.snapshot_time = board->snapshot_time;
    for (uint32 i = 0; i < board->views; i++) {
        call.views.push_back(board->view(i)->oid);
        call.names.emplace_back(board->names() + board->view(i)->name);
    }
    for (uint32 i = 0; i < board->edges; i++)
        call.edges.push_back(*board->edge(i));
    return call;
}

void set_snapshot(Board *board, const char *name, TimestampTz taken)
{
    copy(board->snapshot, name);
    board->snapshot_time = taken;
}

MessageBox *messages(Board *board, int process)
{
    return &board->process(process)->box;
}

void arrive(Board *board)
{
    lock(board, LW_EXCLUSIVE);
    board->arrived++;
    unlock(board);
}

int arrived(Board *board)
{
    lock(board, LW_SHARED);
    int arrived = board->arrived;
    unlock(board);
    return arrived;
}

int views_left(Board *board)
{
    int left = 0;
    lock(board, LW_SHARED);
    for (uint32 i = 0; i < board->turns; i++)
        if (board->turn(i)->state != State::ended)
            left += static_cast<int>(board->turn(i)->count);
    unlock(board);
    return left;
}

XLogRecPtr last_commit(const Board *board)
{
    lock(board, LW_SHARED);
    XLogRecPtr last = board->last_commit;
    unlock(board);
    return last;
}

std::vector<Outcome> outcomes(const Board *board)
{
    std::vector<Outcome> outcomes;
    for (uint32 i = 0; i < board->views; i++) {
        const SharedView *view = board->view(i);
        Outcome outcome{};
        outcome.view = view->oid;
        outcome.name = board->names() + view->name;
        outcome.success = view->success;
        outcome.refreshed.method = view->method;
        outcome.refreshed.rows = view->rows;
        (view->success ? outcome.refreshed.reason : outcome.error) = view->text;
        outcome.sqlstate = view->sqlstate;
        outcome.started = view->started;
        outcome.duration = view->duration;
        outcome.snapshot_time = board->snapshot_time;
        outcomes.push_back(std::move(outcome));
    }
    return outcomes;
}

void stop(Board *board, const Failure &failure)
{
    lock(board, LW_EXCLUSIVE);
    if (board->failure.sqlstate == 0)
        board->failure = failure;
    board->stopped = true;
    wake(board);
    unlock(board);
}

void raise_failure(const Board *board)
{
    lock(board, LW_SHARED);
    Failure failure = board->failure;
    unlock(board);
    if (failure.sqlstate != 0)
        ereport(ERROR,
                (errcode(failure.sqlstate), errmsg_internal("%s", failure.message),
                 failure.detail[0] != '\0' ? errdetail_internal("%s", failure.detail) : 0,
                 failure.hint[0] != '\0' ? errhint("%s", failure.hint) : 0,
                 failure.context[0] != '\0' ? errcontext("%s", failure.context) : 0));
}

void lose_turn(Board *board, const Failure &failure)
{
    lock(board, LW_EXCLUSIVE);
    give_back(board, failure);
    wake(board);
    unlock(board);
}

void lose_rest(Board *board, const Failure &failure)
{
    lock(board, LW_EXCLUSIVE);
    for (uint32 i = 0; i < board->turns; i++)
        if (board->turn(i)->state == State::open && board->turn(i)->lost.sqlstate == 0) {
            board->turn(i)->lost.sqlstate = failure.sqlstate;
            copy(board->turn(i)->lost.message, failure.message);
        }
    unlock(board);
}

void wait()
{
    WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

} // namespace job_board

bool BoardTurns::next(Turn *turn)
{
    for (;;) {
        attend();
        int taken = guard([&] { return take(board_); });
        if (taken == -2)
            return false;
        if (taken < 0) {
            idle();
            guard([] { job_board::wait(); });
            continue;
        }
        const SharedTurn *shared = board_->turn(static_cast<uint32>(taken));
        turn->views.clear();
        for (uint32 i = 0; i < shared->count; i++)
            turn->views.push_back(board_->view(board_->places()[shared->first + i])->oid);
        turn->upstream = shared->upstream < 0
                             ? ""
                             : board_->names() + board_->view(static_cast<uint32>(shared->upstream))->name;
        turn->obstacle = {shared->lost.sqlstate, shared->lost.message};
        return true;
    }
}

// Nothing has been read in the transaction yet.
void BoardTurns::begin(const Turn &turn)
{
    if (board_->snapshot[0] == '\0' || turn.obstacle.sqlstate != 0 || own == 0)
        return;
    guard([&] {
        set_config_option("transaction_isolation", "repeatable read", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                          false);
        ImportSnapshot(board_->snapshot);
    });
}

void BoardTurns::ended(const std::vector<Outcome> &outcomes)
{
    bool failed = false;
    guard([&] { lock(board_, LW_EXCLUSIVE); });
    SharedTurn *turn = board_->turn(static_cast<uint32>(board_->process(own)->turn));
    for (const Outcome &outcome : outcomes) {
        note(board_, turn, outcome);
        failed |= !outcome.success;
    }
    turn->state = State::ended;
    board_->last_commit = Max(board_->last_commit, deferred_flush::last_commit());
    board_->process(own)->turn = -1;
    board_->turns_left--;
    release_readers(board_, turn, failed);
    wake(board_);
    guard([&] { unlock(board_); });
}

} // namespace refresh_mv
