// The functions by which SQL reads a view as of now.

#include "inspect/live.hpp"
#include "inspect/live_scan.hpp"
#include "query/query.hpp"
#include "server/bridge.hpp"

namespace refresh_mv {

extern "C" {
PG_FUNCTION_INFO_V1(refresh_mv_live);
PG_FUNCTION_INFO_V1(refresh_mv_live_support);
}

namespace {

// The view whose row type the first argument has.
Oid view_of_call(FunctionCallInfo fcinfo)
{
    Oid view = live::view_of_type(get_fn_expr_argtype(fcinfo->flinfo, 0));
    if (!OidIsValid(view))
        ereport(ERROR,
                (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                 errmsg("refresh_mv.live() takes a row of a materialized view"),
                 errhint("Call it as refresh_mv.live(NULL::name_of_the_view).")));
    return view;
}

// Puts rows into the function's result.
struct Putter {
    DestReceiver pub;
    const LiveRows *rows;
    ReturnSetInfo *result;
    int64 near; // for live::is_gone()
};

bool put_stored(TupleTableSlot *slot, DestReceiver *self)
{
    auto *putter = reinterpret_cast<Putter *>(self);
    slot_getallattrs(slot);
    if (!live::is_gone(*putter->rows, DatumGetItemPointer(slot->tts_values[0]), &putter->near))
        tuplestore_putvalues(putter->result->setResult, putter->result->setDesc, slot->tts_values + 1, slot->tts_isnull + 1);
    return true;
}

void put(FunctionCallInfo fcinfo, Oid view, const LiveRows &rows)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    Putter putter = {query::row_receiver(put_stored), &rows, result, 0};
    TupleTableSlot *slot = MakeSingleTupleTableSlot(result->setDesc, &TTSOpsMinimalTuple);
    if (rows.stored)
        query::run(live::stored_rows(view, nullptr), &putter.pub, 0);
    while (tuplestore_gettupleslot(rows.fresh, true, false, slot))
        tuplestore_puttupleslot(result->setResult, slot);
    ExecDropSingleTupleTableSlot(slot);
    tuplestore_end(rows.fresh);
}

} // namespace

Datum refresh_mv_live(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        Oid view = guard([&] { return view_of_call(fcinfo); });
        if (PG_ARGISNULL(1))
            throw Error{ERRCODE_NULL_VALUE_NOT_ALLOWED, "fallback must not be null", "", ""};
        guard([&] { InitMaterializedSRF(fcinfo, 0); });
        LiveRows rows = live::find({view, nullptr, PG_GETARG_BOOL(1)});
        guard([&] { put(fcinfo, view, rows); });
        PG_RETURN_NULL();
    });
}

Datum refresh_mv_live_support(PG_FUNCTION_ARGS)
{
    return entry([&]() -> Datum {
        return guard([&] { return live_scan::support(reinterpret_cast<Node *>(PG_GETARG_POINTER(0))); });
    });
}

} // namespace refresh_mv
