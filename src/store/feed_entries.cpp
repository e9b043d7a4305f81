#include "store/feed_entries.hpp"

#include "server/class_row.hpp"
#include "store/own_rows.hpp"
#include "store/statement.hpp"

namespace refresh_mv::feed_entries {

Form form_of(Oid view)
{
    StringInfoData columns;
    Relation relation = table_open(view, NoLock);
    TupleDesc desc = RelationGetDescr(relation);

    initStringInfo(&columns);
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(desc, i);
        appendStringInfo(&columns, "%s%s %u %d", i == 0 ? "" : ",", NameStr(column->attname), column->atttypid,
                         column->atttypmod);
    }
    table_close(relation, NoLock);
    return {class_row(view).form.relfilenode, columns.data};
}

int64 next_mark(Oid view, bool *current)
{
    MemoryContext memory = CurrentMemoryContext;
    int64 last = 0;
    Form then{};

    SPI_connect();
    statement::execute("SELECT mark, file, columns FROM refresh_mv.feed_entries"
                       " WHERE view OPERATOR(pg_catalog.=) $1 AND part OPERATOR(pg_catalog.=) 0"
                       " ORDER BY mark DESC LIMIT 1",
                       statement::Values().oid(view), SPI_OK_SELECT);
    bool found = SPI_processed > 0;
    if (found) {
        last = statement::returned_int64(0, 1);
        then = {statement::returned_oid(0, 2), statement::returned_text(0, 3, memory)};
    }
    SPI_finish();
    Form now = form_of(view);
    *current = found && now.file == then.file && strcmp(now.columns, then.columns) == 0;
    return Max(last + 1, GetCurrentTimestamp());
}

static Datum array_of(List *texts)
{
    auto *elements = static_cast<Datum *>(palloc(sizeof(Datum) * (list_length(texts) + 1)));
    ListCell *cell;
    foreach (cell, texts)
        elements[foreach_current_index(cell)] = CStringGetTextDatum(static_cast<char *>(lfirst(cell)));
    return PointerGetDatum(construct_array(elements, list_length(texts), TEXTOID, -1, false, TYPALIGN_INT));
}

// A part of an entry, to be completed and stored.
static own_rows::Row part_of(Relation table, Oid view, int64 mark, int part)
{
    return own_rows::Row(table)
        .set("view", ObjectIdGetDatum(view))
        .set("mark", Int64GetDatum(mark))
        .set("part", Int32GetDatum(part))
        .set("at", TimestampTzGetDatum(GetCurrentTimestamp()));
}

void write_rows(Oid view, int64 mark, int part, List *gone, List *came)
{
    Relation table = statement::open_table("feed_entries");
    part_of(table, view, mark, part).set("gone", array_of(gone)).set("came", array_of(came)).store();
    table_close(table, NoLock);
}

void write_head(Oid view, int64 mark, int64 run, const char *reason)
{
    Form form = form_of(view);
    Relation table = statement::open_table("feed_entries");
    part_of(table, view, mark, 0)
        .set("run", Int64GetDatum(run), run == 0)
        .set("file", ObjectIdGetDatum(form.file))
        .text("columns", form.columns)
        .text("start_over", reason)
        .store();
    table_close(table, NoLock);
}

void purge(Oid view, Interval *age)
{
    static SPIPlanPtr plan = nullptr;
    Datum oldest = DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
                                       IntervalPGetDatum(age));
    SPI_connect();
    statement::change(&plan, "feed_entries",
                      "SELECT e.ctid FROM refresh_mv.feed_entries e, (SELECT pg_catalog.max(mark) AS mark"
                      " FROM refresh_mv.feed_entries WHERE view OPERATOR(pg_catalog.=) $1"
                      " AND part OPERATOR(pg_catalog.=) 0 AND at OPERATOR(pg_catalog.<) $2) kept"
                      " WHERE e.view OPERATOR(pg_catalog.=) $1 AND (e.mark OPERATOR(pg_catalog.<) kept.mark"
                      " OR e.mark OPERATOR(pg_catalog.=) kept.mark AND e.part OPERATOR(pg_catalog.>) 0) FOR UPDATE OF e",
                      statement::Values().oid(view).timestamptz(DatumGetTimestampTz(oldest)));
    SPI_finish();
}

void forget(Oid view)
{
    SPI_connect();
    statement::change("feed_entries",
                      "SELECT ctid FROM refresh_mv.feed_entries WHERE view OPERATOR(pg_catalog.=) $1 FOR UPDATE",
                      statement::Values().oid(view));
    SPI_finish();
}

} // namespace refresh_mv::feed_entries
