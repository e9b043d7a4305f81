#include "store/chunk_progress.hpp"

#include "store/own_rows.hpp"
#include "store/statement.hpp"

namespace refresh_mv::chunk_progress {

ChunkProgress read(Oid view)
{
    ChunkProgress progress{};
    bool null;
    own_rows::Scan scan = own_rows::begin("chunks", own_rows::Under::active_snapshot, {own_rows::is("view", view)});
    if (own_rows::next(&scan)) {
        progress.exists = true;
        progress.began = own_rows::number(scan, "began");
        progress.size = own_rows::string(scan, "size");
        progress.uses = own_rows::string(scan, "uses");
        progress.column = static_cast<AttrNumber>(own_rows::number(scan, "attnum"));
        progress.type = own_rows::oid(scan, "type");
        Datum bound = own_rows::value(scan, "bound", &null);
        progress.bound = null ? nullptr : DatumGetByteaPCopy(bound);
        progress.bound_text = own_rows::string(scan, "done_from");
        progress.only_nulls = own_rows::truth(scan, "only_nulls");
        progress.chunks = own_rows::number(scan, "chunks");
        progress.kept = own_rows::string(scan, "kept");
        progress.inexact = own_rows::string(scan, "inexact");
    }
    own_rows::end(&scan);
    return progress;
}

void save(Oid view, const ChunkProgress &progress)
{
    auto values = statement::Values()
                      .oid(view)
                      .timestamptz(progress.began)
                      .text(progress.size)
                      .text(progress.uses)
                      .int8(progress.column)
                      .oid(progress.type)
                      .add(BYTEAOID, PointerGetDatum(progress.bound), progress.bound == nullptr)
                      .text(progress.bound_text)
                      .boolean(progress.only_nulls)
                      .int8(progress.chunks)
                      .text(progress.kept)
                      .text(progress.inexact);
    SPI_connect();
    statement::change("chunks",
                      "SELECT c.ctid, $1 AS view, $2 AS began, pg_catalog.clock_timestamp() AS last_chunk_at, $3 AS size,"
                      " $4 AS uses, $5 AS attnum, $6 AS type, $7 AS bound, $8 AS done_from, $9 AS only_nulls,"
                      " $10 AS chunks, $11 AS kept, $12 AS inexact FROM (SELECT) n LEFT JOIN (SELECT ctid"
                      " FROM refresh_mv.chunks WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE) c ON true",
                      values);
    SPI_finish();
}

void forget(Oid view)
{
    if (!own_rows::exists("chunks", own_rows::Under::newest_snapshot, {own_rows::is("view", view)}))
        return;
    SPI_connect();
    statement::change("chunks", "SELECT ctid FROM refresh_mv.chunks WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE",
                      statement::Values().oid(view));
    SPI_finish();
}

void forget_dropped()
{
    SPI_connect();
    statement::change("chunks",
                      "SELECT ctid FROM refresh_mv.chunks c WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class v"
                      " WHERE v.oid OPERATOR(pg_catalog.=) c.view AND v.relkind OPERATOR(pg_catalog.=) 'm') FOR UPDATE SKIP LOCKED",
                      statement::Values());
    SPI_finish();
}

} // namespace refresh_mv::chunk_progress
