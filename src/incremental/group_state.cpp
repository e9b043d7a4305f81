#include "incremental/group_state.hpp"

#include "merge/diff.hpp"
#include "query/query.hpp"
#include "store/state_tables.hpp"
#include "store/statement.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

// "prefix k1, prefix k2, " for all keys.
char *key_list(const GroupShape &shape, const char *prefix)
{
    StringInfoData text;
    initStringInfo(&text);
    for (int i = 0; i < shape.nkeys; i++)
        appendStringInfo(&text, "%sk%d, ", prefix, i + 1);
    return text.data;
}

// The hash of the keys; of none, 0.
char *key_hash(const GroupShape &shape, const char *prefix)
{
    if (shape.nkeys == 0)
        return pstrdup("0::pg_catalog.int8");
    char *keys = key_list(shape, prefix);
    keys[strlen(keys) - 2] = '\0';
    return psprintf("pg_catalog.hash_record_extended(ROW(%s), 0)", keys);
}

// " AND a.k1 = b.k1" for all keys, NULLs being equal where there can be any.
char *same_keys(const GroupShape &shape, const char *a, const char *b)
{
    StringInfoData text;
    initStringInfo(&text);
    for (int i = 0; i < shape.nkeys; i++)
        appendStringInfo(&text, " AND %s.k%d %s %s.k%d", a, i + 1,
                         shape.keys[i].not_null ? "=" : "IS NOT DISTINCT FROM", b, i + 1);
    return text.data;
}

// GROUP BY the keys, and more.
char *group_by(const GroupShape &shape, const char *more)
{
    char *keys = key_list(shape, "u.");
    if (*more == '\0' && shape.nkeys > 0)
        keys[strlen(keys) - 2] = '\0';
    return shape.nkeys == 0 && *more == '\0' ? pstrdup("") : psprintf(" GROUP BY %s%s", keys, more);
}

// ---- tables ----

// Adds a column; a domain's conditions are not those of the state.
List *add_column(List *columns, const char *name, Oid type, Oid collation)
{
    return lappend(columns, makeColumnDef(name, getBaseType(type), -1, collation));
}

List *key_columns(const GroupShape &shape)
{
    List *columns = add_column(NIL, "h", INT8OID, InvalidOid);
    for (int i = 0; i < shape.nkeys; i++) {
        auto *node = reinterpret_cast<Node *>(shape.keys[i].expr);
        columns = add_column(columns, psprintf("k%d", i + 1), exprType(node), exprCollation(node));
    }
    return columns;
}

// ---- filling ----

// Inserts each row into a table without indexes.  Not by an INSERT, whose query could
// not be run in parallel.
struct Filler {
    DestReceiver pub;
    Relation table;
    BulkInsertState bulk;
    TupleTableSlot *slot;
};

bool insert_row(TupleTableSlot *row, DestReceiver *self)
{
    auto *filler = reinterpret_cast<Filler *>(self);
    slot_getallattrs(row);
    diff::store_without_prefix(filler->slot, row, 0);
    table_tuple_insert(filler->table, filler->slot, GetCurrentCommandId(true), 0, filler->bulk);
    return true;
}

// Fills a table with the rows of a query, which the text reads as rows "r".
void fill_table(const char *name, const char *text, Query *query)
{
    QueryEnvironment *environment = create_queryEnv();
    NamedRows rows = {"refresh_mv_rows", ExecCleanTypeFromTL(query->targetList), nullptr, 0};
    Relation table = table_openrv(makeRangeVar(pstrdup("refresh_mv"), pstrdup(strchr(name, '.') + 1), -1),
                                  RowExclusiveLock);
    Filler filler = {query::row_receiver(insert_row), table, GetBulkInsertState(),
                     MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsVirtual)};

    ephemeral_rows::show(environment, rows);
    Query *select = query::unchecked(text, environment);
    ephemeral_rows::replace(select, rows.name, query);
    query::run(select, &filler.pub, CURSOR_OPT_PARALLEL_OK);
    ExecDropSingleTupleTableSlot(filler.slot);
    FreeBulkInsertState(filler.bulk);
    table_finish_bulk_insert(table, 0);
    table_close(table, NoLock);
    CommandCounterIncrement();
    UpdateActiveSnapshotCommandId();
}

// The query for fill_table() that fills the state, with the numbers of distinct
// values, of which the tables are filled already.
char *fill_text(const GroupShape &shape, Oid view)
{
    StringInfoData columns, joins;
    initStringInfo(&columns);
    initStringInfo(&joins);
    for (int i = 0; i < shape.npieces; i++) {
        if (shape.pieces[i].kind != PieceKind::values) {
            appendStringInfo(&columns, ", r.p%d", i + 1);
            continue;
        }
        const char *name = psprintf("v%d", i + 1);
        appendStringInfo(&columns, ", coalesce(%s.n, 0)", name);
        appendStringInfo(&joins, " LEFT JOIN (SELECT %s AS h, %spg_catalog.count(*) AS n FROM %s u%s) %s"
                                 " ON %s.h = %s%s",
                         key_hash(shape, "u."), key_list(shape, "u."), state_tables::values(view, i),
                         group_by(shape, ""), name, name, key_hash(shape, "r."), same_keys(shape, name, "r"));
    }
    return psprintf("SELECT %s, %sr.n%s FROM refresh_mv_rows r%s", key_hash(shape, "r."), key_list(shape, "r."), columns.data, joins.data);
}

// Puts a row without a hash into the state, which a crash removes with all others.
void put_mark(Oid view)
{
    SPI_connect();
    statement::execute(psprintf("INSERT INTO %s (n) VALUES (-1)", state_tables::groups(view)), statement::Values(), SPI_OK_INSERT);
    SPI_finish();
    CommandCounterIncrement();
}

// ---- the next state ----

const char *type_name(Oid type)
{
    return format_type_be_qualified(type);
}

// Rows of both states, with side: 1 now, -1 before.
char *both_sides(const char *name)
{
    return psprintf("SELECT 1 AS side, r.* FROM refresh_mv_%s_now r"
                    " UNION ALL SELECT -1, r.* FROM refresh_mv_%s_before r", name, name);
}

// Whether there was nothing before.
bool is_empty(const char *name, QueryEnvironment *environment)
{
    return ephemeral_rows::shown(environment, psprintf("refresh_mv_%s_before", name)).count == 0;
}

// The touched values of a piece with their new counts, and whether that makes them
// come (1) or go (-1).
NamedRows next_values(Oid view, const GroupShape &shape, int piece, QueryEnvironment *environment)
{
    const char *name = psprintf("values_%d", piece + 1);
    const char *keys = key_list(shape, "u.");
    const char *net = is_empty(name, environment)
                          ? psprintf("SELECT u.* FROM refresh_mv_%s_now u", name)
                          : psprintf("SELECT %su.v, pg_catalog.sum(u.n * u.side)::pg_catalog.int8 AS n"
                                     " FROM (%s) u%s HAVING pg_catalog.sum(u.n * u.side) <> 0",
                                     keys, both_sides(name), group_by(shape, "u.v"));
    const char *text = psprintf(
        "WITH c AS (SELECT pg_catalog.hash_record_extended(ROW(%su.v), 0) AS h, u.* FROM (%s) u)"
        " SELECT s.ctid AS place, c.h, %sc.v, coalesce(s.n, 0) + c.n AS n,"
        " CASE WHEN s.ctid IS NULL THEN 1 WHEN s.n + c.n = 0 THEN -1 ELSE 0 END AS step"
        " FROM c LEFT JOIN %s s ON s.h = c.h AND s.v = c.v%s",
        keys, net, key_list(shape, "c."), state_tables::values(view, piece), same_keys(shape, "s", "c"));
    NamedRows rows = ephemeral_rows::result_of(query::unchecked(text, environment),
                                      psprintf("refresh_mv_values_%d", piece + 1), environment);
    ephemeral_rows::show(environment, rows);
    return rows;
}

// What a piece will be, of a touched group d with the state s.
char *next_piece(const Piece &piece, int i)
{
    switch (piece.kind) {
    case PieceKind::sum:
    case PieceKind::count:
        return psprintf("coalesce(s.p%d, '0'::%s) + coalesce(d.a%d, '0'::%s) - coalesce(d.b%d, '0'::%s)", i,
                        type_name(piece.type), i, type_name(piece.type), i, type_name(piece.type));
    case PieceKind::exact:
        return psprintf("refresh_mv_internal.exact_add(s.p%d, d.a%d, d.b%d)", i, i, i);
    case PieceKind::smallest:
        return psprintf("CASE WHEN d.b%d IS NULL OR d.b%d > s.p%d THEN LEAST(s.p%d, d.a%d) ELSE d.a%d END", i,
                        i, i, i, i, i);
    case PieceKind::largest:
        return psprintf("CASE WHEN d.b%d IS NULL OR d.b%d < s.p%d THEN GREATEST(s.p%d, d.a%d) ELSE d.a%d END",
                        i, i, i, i, i, i);
    case PieceKind::values:
        return psprintf("coalesce(s.p%d, 0) + coalesce(v%d.step, 0)", i, i);
    }
    return nullptr;
}

// Whether the pieces before and after do not tell what one is now, as a condition.
char *lost_piece(const Piece &piece, int i)
{
    if (piece.kind == PieceKind::smallest)
        return psprintf(" OR (f.b%d <= f.s%d AND (f.a%d IS NULL OR f.a%d > f.s%d))", i, i, i, i, i);
    if (piece.kind == PieceKind::largest)
        return psprintf(" OR (f.b%d >= f.s%d AND (f.a%d IS NULL OR f.a%d < f.s%d))", i, i, i, i, i);
    return pstrdup("");
}

bool is_extreme(const Piece &piece)
{
    return piece.kind == PieceKind::smallest || piece.kind == PieceKind::largest;
}

// The columns of the touched groups, for the parts of next().
struct NextText {
    StringInfoData both;   // the pieces now and before, a1, b1, ..., of rows of both sides
    StringInfoData gained; // the same if there was nothing before
    StringInfoData next;   // the pieces as they will be, and what lost_piece() needs
    StringInfoData result;
    StringInfoData lost;
    StringInfoData joins;
};

NextText next_text(const GroupShape &shape)
{
    NextText text;
    for (StringInfo part : {&text.both, &text.gained, &text.next, &text.result, &text.lost, &text.joins})
        initStringInfo(part);
    for (int j = 0; j < shape.npieces; j++) {
        const Piece &piece = shape.pieces[j];
        int i = j + 1;
        if (piece.kind != PieceKind::values) {
            appendStringInfo(&text.both, ", pg_catalog.max(u.p%d) FILTER (WHERE u.side = 1) AS a%d,"
                                         " pg_catalog.max(u.p%d) FILTER (WHERE u.side = -1) AS b%d",
                             i, i, i, i);
            appendStringInfo(&text.gained, ", u.p%d AS a%d, NULL::%s AS b%d", i, i, type_name(piece.type), i);
        } else
            appendStringInfo(&text.joins,
                             " LEFT JOIN (SELECT %s AS h, %spg_catalog.sum(u.step)::pg_catalog.int8 AS step"
                             " FROM refresh_mv_values_%d u%s) v%d ON v%d.h = d.h%s",
                             key_hash(shape, "u."), key_list(shape, "u."), i, group_by(shape, ""), i, i,
                             same_keys(shape, psprintf("v%d", i), "d"));
        appendStringInfo(&text.next, ", %s AS p%d", next_piece(piece, i), i);
        if (is_extreme(piece))
            appendStringInfo(&text.next, ", d.a%d, d.b%d, s.p%d AS s%d", i, i, i, i);
        appendStringInfo(&text.result, ", f.p%d", i);
        appendStringInfoString(&text.lost, lost_piece(piece, i));
    }
    return text;
}

// ---- writing ----

// "n = f.n, p1 = f.p1" and so on.
char *assignments(const GroupShape &shape)
{
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfoString(&text, "n = f.n");
    for (int i = 0; i < shape.npieces; i++)
        appendStringInfo(&text, ", p%d = f.p%d", i + 1, i + 1);
    return text.data;
}

char *piece_list(const GroupShape &shape, const char *prefix)
{
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "%sn", prefix);
    for (int i = 0; i < shape.npieces; i++)
        appendStringInfo(&text, ", %sp%d", prefix, i + 1);
    return text.data;
}

// Writes rows with their places: changes those that are there, removes those that
// count none, adds the others.
void write_rows(const char *table, const NamedRows &rows, const char *set, const char *columns,
                const char *values, bool keeps_empty)
{
    const char *there = keeps_empty ? "true" : "f.n OPERATOR(pg_catalog.>) 0";
    SPI_connect();
    ephemeral_rows::show_spi(rows);
    statement::execute(psprintf("UPDATE %s s SET %s FROM %s f WHERE s.ctid OPERATOR(pg_catalog.=) f.place AND %s",
                             table, set, rows.name, there),
                    statement::Values(), SPI_OK_UPDATE);
    if (!keeps_empty)
        statement::execute(psprintf("DELETE FROM %s s USING %s f WHERE s.ctid OPERATOR(pg_catalog.=) f.place"
                                 " AND f.n OPERATOR(pg_catalog.=) 0", table, rows.name),
                        statement::Values(), SPI_OK_DELETE);
    statement::execute(psprintf("INSERT INTO %s (%s) SELECT %s FROM %s f WHERE f.place IS NULL AND %s", table,
                             columns, values, rows.name, there),
                    statement::Values(), SPI_OK_INSERT);
    SPI_finish();
}

} // namespace

namespace group_state {

bool is_there(Oid view)
{
    Datum mark;
    return state_tables::exist(view)
           && query::single_value(query::unchecked(psprintf("SELECT s.n FROM %s s WHERE s.h IS NULL", state_tables::groups(view))),
                                  &mark);
}

void fill(Oid view, Query *query, const GroupShape &shape)
{
    state_tables::drop(view);
    List *columns = add_column(key_columns(shape), "n", INT8OID, InvalidOid);
    for (int i = 0; i < shape.npieces; i++)
        columns = add_column(columns, psprintf("p%d", i + 1), shape.pieces[i].type,
                             shape.pieces[i].collation);
    state_tables::create(state_tables::groups(view), columns);
    for (int i = 0; i < shape.npieces; i++) {
        const Piece &piece = shape.pieces[i];
        if (piece.kind != PieceKind::values)
            continue;
        auto *value = reinterpret_cast<Node *>(piece.value);
        columns = add_column(key_columns(shape), "v", exprType(value), exprCollation(value));
        state_tables::create(state_tables::values(view, i), add_column(columns, "n", INT8OID, InvalidOid));
        auto *values = static_cast<Query *>(copyObjectImpl(query));
        group_shape::select_values(values, shape, piece);
        fill_table(state_tables::values(view, i),
                   psprintf("SELECT pg_catalog.hash_record_extended(ROW(%sr.v), 0), %sr.v, r.n"
                            " FROM refresh_mv_rows r", key_list(shape, "r."), key_list(shape, "r.")),
                   values);
        state_tables::create_index(state_tables::values(view, i));
    }
    auto *pieces = static_cast<Query *>(copyObjectImpl(query));
    group_shape::select_pieces(pieces, shape);
    fill_table(state_tables::groups(view), fill_text(shape, view), pieces);
    state_tables::create_index(state_tables::groups(view));
    put_mark(view);
}

NamedRows next(Oid view, const GroupShape &shape, QueryEnvironment *environment)
{
    for (int i = 0; i < shape.npieces; i++)
        if (shape.pieces[i].kind == PieceKind::values)
            next_values(view, shape, i, environment);
    NextText text = next_text(shape);
    const char *net = is_empty("pieces", environment)
                          ? psprintf("SELECT %su.n%s FROM refresh_mv_pieces_now u", key_list(shape, "u."),
                                     text.gained.data)
                          : psprintf("SELECT %spg_catalog.sum(u.n * u.side)::pg_catalog.int8 AS n%s FROM (%s) u%s",
                                     key_list(shape, "u."), text.both.data, both_sides("pieces"),
                                     group_by(shape, ""));
    const char *sql = psprintf(
        "WITH d AS (SELECT %s AS h, u.* FROM (%s) u), f AS (SELECT s.ctid AS place, d.h, %scoalesce(s.n, 0) + d.n AS n%s FROM d"
        " LEFT JOIN %s s ON s.h = d.h%s%s)"
        " SELECT f.place, f.h, %sf.n%s, coalesce(f.n > 0 AND (false%s), false) AS redo FROM f",
        key_hash(shape, "u."), net, key_list(shape, "d."), text.next.data, state_tables::groups(view), same_keys(shape, "s", "d"),
        text.joins.data, key_list(shape, "f."), text.result.data, text.lost.data);
    return ephemeral_rows::result_of(query::unchecked(sql, environment), "refresh_mv_groups", environment);
}

NamedRows redone(const GroupShape &shape, QueryEnvironment *environment)
{
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "SELECT f.place, f.h, %sf.n", key_list(shape, "f."));
    for (int i = 0; i < shape.npieces; i++)
        appendStringInfo(&text, shape.pieces[i].kind == PieceKind::values
                                    ? ", f.p%d"
                                    : ", CASE WHEN f.redo THEN r.p%d ELSE f.p%d END AS p%d",
                         i + 1, i + 1, i + 1);
    appendStringInfo(&text, ", false AS redo FROM refresh_mv_groups f LEFT JOIN (SELECT %s AS h, r.*"
                            " FROM refresh_mv_pieces_redone r) r ON r.h = f.h%s",
                     key_hash(shape, "r."), same_keys(shape, "r", "f"));
    return ephemeral_rows::result_of(query::unchecked(text.data, environment), "refresh_mv_groups", environment);
}

void write(Oid view, const GroupShape &shape, const NamedRows &groups, QueryEnvironment *environment)
{
    write_rows(state_tables::groups(view), groups, assignments(shape),
               psprintf("h, %s%s", key_list(shape, ""), piece_list(shape, "")),
               psprintf("f.h, %s%s", key_list(shape, "f."), piece_list(shape, "f.")), shape.single);
    for (int i = 0; i < shape.npieces; i++)
        if (shape.pieces[i].kind == PieceKind::values)
            write_rows(state_tables::values(view, i),
                       ephemeral_rows::shown(environment, psprintf("refresh_mv_values_%d", i + 1)), "n = f.n",
                       psprintf("h, %sv, n", key_list(shape, "")),
                       psprintf("f.h, %sf.v, f.n", key_list(shape, "f.")), false);
    CommandCounterIncrement();
}

} // namespace group_state

} // namespace refresh_mv
