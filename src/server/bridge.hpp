// The bridge between two worlds of error handling.
//
// Leaf code has only trivially destructible locals, calls PostgreSQL freely
// and may ereport.  C++ code has containers and throws, and reaches
// PostgreSQL only through guard(), one guard for each phase of work.
//
//     SQL -> entry( C++ ... guard( leaf: PostgreSQL ) ... C++ ) -> SQL
//
// Invariants:
// - ereport(ERROR) never jumps over a C++ frame that has a destructor to run:
//   guard() turns it into an exception, entry() turns that back, after the
//   last C++ frame is gone.
// - PgError is caught in entry(), and around subtransaction(), which has rolled
//   back by then.  Anything else would go on in a transaction whose state is
//   unknown.
// - Destructors free C++ memory only.  Locks, snapshots, relations, user id
//   and settings are released by the abort of the (sub)transaction.
#pragma once

#include "server/pg.hpp"

#include <new>
#include <string>
#include <type_traits>
#include <utility>

namespace refresh_mv {

// An error raised by PostgreSQL, on its way through C++ code.  The data lives
// in the memory context that was current when guard() was called.
struct PgError {
    ErrorData *data;
};

// An error raised by this extension's C++ code.
struct Error {
    int sqlstate;
    std::string message;
    std::string detail;
    std::string hint;
};

// Whether an error is a cancelled statement or session: not one that merely says so, which
// a view's function can raise, or pass on from a remote server.
inline bool is_cancel(const ErrorData *error)
{
    return error->sqlerrcode == ERRCODE_QUERY_CANCELED && error->funcname != nullptr
           && strcmp(error->funcname, "ProcessInterrupts") == 0;
}

template <class T>
concept LeafSafe = std::is_void_v<T> || std::is_trivially_destructible_v<T>;

namespace bridge {

// Calls leaf(data); returns the error that it raised, or null.
ErrorData *call(void (*leaf)(void *), void *data);

} // namespace bridge

// Runs leaf code; turns an error of PostgreSQL into PgError.
template <class F>
    requires LeafSafe<std::remove_reference_t<F>> && LeafSafe<std::invoke_result_t<F &>>
auto guard(F &&leaf) -> std::invoke_result_t<F &>
{
    using Result = std::invoke_result_t<F &>;
    ErrorData *error;

    if constexpr (std::is_void_v<Result>) {
        error = bridge::call([](void *data) { (*static_cast<std::remove_reference_t<F> *>(data))(); },
                             const_cast<void *>(static_cast<const void *>(&leaf)));
        if (error != nullptr)
            throw PgError{error};
    } else {
        Result result{};
        auto store = [&] { result = leaf(); };
        error = bridge::call([](void *data) { (*static_cast<decltype(store) *>(data))(); }, &store);
        if (error != nullptr)
            throw PgError{error};
        return result;
    }
}

namespace bridge {

// What is left of an exception once its C++ frames are gone.
struct Report {
    ErrorData *error;
    int sqlstate;
    const char *message;
    const char *detail;
    const char *hint;
};

Report report_of(const Error &error) noexcept;
[[noreturn]] void raise(const Report &report);

} // namespace bridge

// Runs C++ code called from PostgreSQL; turns exceptions into ereport.
template <class F>
auto entry(F &&code) -> std::invoke_result_t<F &>
{
    bridge::Report report;
    try {
        return code();
    } catch (const PgError &error) {
        report = {error.data, 0, nullptr, nullptr, nullptr};
    } catch (const Error &error) {
        report = bridge::report_of(error);
    } catch (const std::bad_alloc &) {
        report = {nullptr, ERRCODE_OUT_OF_MEMORY, "out of memory", nullptr, nullptr};
    } catch (const std::exception &) {
        report = {nullptr, ERRCODE_INTERNAL_ERROR, "unexpected C++ exception", nullptr, nullptr};
    }
    bridge::raise(report);
}

// Runs C++ code inside a subtransaction, which is rolled back when the code
// throws; the exception goes on.  Memory context and resource owner are those
// of the caller again afterwards, either way.
template <class F>
void subtransaction(F &&code)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;

    guard([&] {
        BeginInternalSubTransaction(nullptr);
        MemoryContextSwitchTo(context);
    });
    try {
        code();
    } catch (...) {
        guard([&] {
            MemoryContextSwitchTo(context);
            RollbackAndReleaseCurrentSubTransaction();
            MemoryContextSwitchTo(context);
            CurrentResourceOwner = owner;
        });
        throw;
    }
    guard([&] {
        ReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(context);
        CurrentResourceOwner = owner;
    });
}

} // namespace refresh_mv
