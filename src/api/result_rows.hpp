// What the functions that SQL calls share.
#pragma once

#include "server/bridge.hpp"
#include "server/pg.hpp"

namespace refresh_mv::result_rows {

constexpr char refresh[] = "a refresh of materialized views";

// Fails within the query of a view: a refresh of another would find the settings of the
// one under way in force, and its role.
void check_not_restricted(const char *command);

// Fails where a command that writes cannot run.
void check_may_write(const char *command);

// Whether a procedure may commit.
bool may_commit(FunctionCallInfo fcinfo);

// A row of the function's result type.
template <size_t columns>
Datum form_row(FunctionCallInfo fcinfo, Datum (&values)[columns], const bool (&is_null)[columns] = {})
{
    TupleDesc desc;
    bool nulls[columns];
    memcpy(nulls, is_null, sizeof(nulls));
    if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

// Warns that a call refreshes nothing because of refresh_mv.skip_refresh, and says where
// that was set: behind a pooler, it may not have been this client.
void warn_of_skipping();

} // namespace refresh_mv::result_rows
