#include "run/chunks.hpp"

#include "query/chunk_lock.hpp"
#include "server/bridge.hpp"
#include "server/messages.hpp"
#include "server/progress.hpp"
#include "store/chunk_progress.hpp"
#include "tracking/repair.hpp"

namespace refresh_mv {

namespace {

// Ends a chunk's transaction, and begins another.
void commit()
{
    guard([] {
        PopActiveSnapshot();
        SPI_commit();
    });
}

void add(Refreshed *sum, const Refreshed &chunk)
{
    sum->method = chunk.method;
    sum->reason = chunk.reason;
    sum->rows.inserted += chunk.rows.inserted;
    sum->rows.updated += chunk.rows.updated;
    sum->rows.deleted += chunk.rows.deleted;
    sum->rows.unchanged += chunk.rows.unchanged;
    if (chunk.oldest != 0 && (sum->oldest == 0 || chunk.oldest < sum->oldest))
        sum->oldest = chunk.oldest;
}

// What the history says of the refresh.
std::string account(const refresh::ChunkCall &call, const std::string &reason, const std::string &inexact)
{
    auto number = static_cast<long long>(call.before + call.done);
    std::string account = reason + format("; in %lld chunk%s", number, number == 1 ? "" : "s");
    if (call.before > 0)
        account += format(", %lld of them by earlier calls", static_cast<long long>(call.before));
    if (call.anew > 0)
        account += call.anew == 1 ? ", begun anew once" : format(", begun anew %d times", call.anew);
    if (!inexact.empty())
        account += "; each as of its own time: " + inexact;
    return account;
}

// The refresh of one view by one call.
class Chunked {
public:
    Chunked(Oid view, const Request &request, const Chunking &chunking, const chunks::Attempt &attempt)
        : view_(view), request_(request), chunking_(chunking), attempt_(attempt)
    {
        call_.size = chunking.size;
        call_.size_text = chunking.size_text.c_str();
        call_.resume = chunking.resume;
    }

    chunks::Result run(bool wait)
    {
        pace::Meter meter = pace::start();
        chunks::Result result{};
        for (;;) {
            refresh::ChunkResult chunk{};
            bool done = prepare(wait, &result.prepared);
            TimestampTz as_of = GetCurrentTimestamp();
            guard([&] {
                progress::start_part(call_.before + call_.done + 1);
                view::push_snapshot();
            });
            done = done && attempt_([&] { chunk = refresh::next_chunk(view_, request_, &call_); });
            if (!done)
                return result;
            add(&result.refreshed, chunk.refreshed);
            if (chunk.finished) {
                result.refreshed.reason = account(call_, chunk.refreshed.reason, chunk.inexact);
                result.as_of = exact(chunk) ? as_of : call_.began;
                return result;
            }
            tell(chunk);
            commit();
            guard([&] { pace::wait(chunking_.pace, meter); });
        }
    }

private:
    static bool exact(const refresh::ChunkResult &chunk) { return chunk.tracked && chunk.inexact.empty(); }

    // Takes the locks; false if the view is to be left, or that failed.
    bool prepare(bool wait, view::Prepared *prepared)
    {
        // Once it has begun, another refresh of the view is waited for: it has an end.
        bool patient = wait || call_.done > 0;
        auto lock = [&] {
            return attempt_([&] { *prepared = guard([&] { return view::prepare(view_, patient, true); }); })
                   && prepared->hindrance == view::Hindrance::none;
        };
        if (!lock())
            return false;
        if (call_.done > 0 || !repair::resume_if_damaged(view_))
            return true;
        guard([] { SPI_commit(); });
        return lock();
    }

    void tell(const refresh::ChunkResult &chunk) const
    {
        auto number = static_cast<long long>(call_.before + call_.done);
        if (chunk.done_from.empty())
            notice("Chunk %lld is done: all but the rows without a value", number);
        else
            notice("Chunk %lld is done: from %s on", number, chunk.done_from.c_str());
    }

    Oid view_;
    const Request &request_;
    const Chunking &chunking_;
    const chunks::Attempt &attempt_;
    refresh::ChunkCall call_{};
};

} // namespace

chunks::Result chunks::refresh(Oid view, const Request &request, const Chunking &chunking, bool wait,
                               const Attempt &attempt)
{
    Result result{};
    bool taken = false;
    guard([&] { chunk_progress::forget_dropped(); });
    auto take = [&] {
        taken = guard([&] {
            view::check_right(view);
            return chunk_lock::take(view, wait);
        });
    };
    bool tried = attempt(take);
    if (!taken) {
        guard([&] {
            if (tried)
                result.prepared = {view::Hindrance::refreshing, chunk_lock::holder(view)};
            view::push_snapshot();
        });
        return result;
    }
    guard([] { SPI_commit(); });
    result = Chunked(view, request, chunking, attempt).run(wait);
    guard([&] { chunk_lock::release(view); });
    return result;
}

} // namespace refresh_mv
