#include "server/bridge.hpp"

namespace refresh_mv::bridge {

// Copies the error that is being handled; where there is no memory for that, one that
// says so takes its place.
static ErrorData *copy_error()
{
    static ErrorData out_of_memory;
    ErrorData *volatile copy = nullptr;

    PG_TRY();
    {
        copy = CopyErrorData();
    }
    PG_CATCH();
    {
        out_of_memory = ErrorData{};
        out_of_memory.elevel = ERROR;
        out_of_memory.output_to_server = out_of_memory.output_to_client = true;
        out_of_memory.sqlerrcode = ERRCODE_OUT_OF_MEMORY;
        out_of_memory.message = const_cast<char *>("out of memory");
        copy = &out_of_memory;
    }
    PG_END_TRY();
    return copy;
}

ErrorData *call(void (*leaf)(void *), void *data)
{
    MemoryContext context = CurrentMemoryContext;
    ErrorData *volatile error = nullptr;

    PG_TRY();
    {
        leaf(data);
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = copy_error();
        FlushErrorState();
    }
    PG_END_TRY();
    return error;
}

// Copies text out of a C++ string, or returns null where there is none or no
// memory for it.
static const char *keep(const std::string &text) noexcept
{
    if (text.empty())
        return nullptr;
    auto *copy = static_cast<char *>(MemoryContextAllocExtended(
        CurrentMemoryContext, text.size() + 1, MCXT_ALLOC_NO_OOM));
    if (copy != nullptr)
        memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

Report report_of(const Error &error) noexcept
{
    return {nullptr, error.sqlstate, keep(error.message), keep(error.detail), keep(error.hint)};
}

void raise(const Report &report)
{
    if (report.error != nullptr)
        ReThrowError(report.error);
    ereport(ERROR,
            (errcode(report.sqlstate),
             errmsg_internal("%s", report.message ? report.message : "out of memory"),
             report.detail ? errdetail_internal("%s", report.detail) : 0,
             report.hint ? errhint("%s", report.hint) : 0));
}

} // namespace refresh_mv::bridge
