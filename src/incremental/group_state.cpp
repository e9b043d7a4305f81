#include "incremental/group_state.hpp"

#include "incremental/key_text.hpp"
#include "incremental/row_names.hpp"
#include "merge/diff.hpp"
#include "query/query.hpp"
#include "query/sql_template.hpp"
#include "store/state_tables.hpp"
#include "store/statement.hpp"

#include <initializer_list>

namespace refresh_mv {

namespace {

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
        columns = add_column(columns, row_names::key_column(i), exprType(node), exprCollation(node));
    }
    return columns;
}

// ---- lists of extremes ----

// The bytes for the values of each, so that no row becomes long, however many there are.
int bytes_of_extremes(const GroupShape &shape)
{
    constexpr int all = 1024, one = 256;
    int count = 0;
    for (int i = 0; i < shape.npartials; i++)
        count += shape.partials[i].kind == PartialKind::extremes;
    return Min(one, all / Max(count, 1));
}

// What is kept of a partial aggregate that the query r has computed.
char *computed_partial(const GroupShape &shape, int partial)
{
    return shape.partials[partial].kind == PartialKind::extremes
               ? psprintf("refresh_mv_internal.extremes_add(r.p%d, NULL, NULL, %d)", partial + 1,
                          bytes_of_extremes(shape))
               : psprintf("r.p%d", partial + 1);
}

// ---- filling ----

// Inserts each row into a table without indexes.  Not by an INSERT, whose query could
// not be run in parallel.
struct Filler {
    DestReceiver pub;
    Relation table;
    BulkInsertState bulk;
    TupleTableSlot *slot;
    double most_bytes; // negative: any
    double bytes;
};

// Whether another row fits in.
bool fits(Filler *filler)
{
    TupleTableSlot *slot = filler->slot;
    if (filler->most_bytes < 0)
        return true;
    filler->bytes += static_cast<double>(MAXALIGN(SizeofHeapTupleHeader) + sizeof(ItemIdData)
                                         + heap_compute_data_size(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull));
    return filler->bytes <= filler->most_bytes;
}

bool insert_row(TupleTableSlot *row, DestReceiver *self)
{
    auto *filler = reinterpret_cast<Filler *>(self);
    slot_getallattrs(row);
    diff::store_without_prefix(filler->slot, row, 0);
    if (!fits(filler))
        return false;
    table_tuple_insert(filler->table, filler->slot, GetCurrentCommandId(true), 0, filler->bulk);
    return true;
}

// Fills a table with the rows of a query, which the text reads as rows "r"; false if they take more bytes.
bool fill_table(const char *name, const char *text, Query *query, double most_bytes = -1)
{
    QueryEnvironment *environment = create_queryEnv();
    NamedRows rows = {row_names::fill, ExecCleanTypeFromTL(query->targetList), nullptr, 0};
    Relation table = table_openrv(makeRangeVar(pstrdup("refresh_mv"), pstrdup(strchr(name, '.') + 1), -1),
                                  RowExclusiveLock);
    Filler filler = {query::row_receiver(insert_row), table, GetBulkInsertState(),
                     MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsVirtual), most_bytes, 0};

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
    return most_bytes < 0 || filler.bytes <= most_bytes;
}

// The query for fill_table() that fills the state, with the numbers of distinct
// values, of which the tables are filled already.
char *fill_text(const GroupShape &shape, State state)
{
    StringInfoData columns, joins;
    initStringInfo(&columns);
    initStringInfo(&joins);
    for (int i = 0; i < shape.npartials; i++) {
        if (shape.partials[i].kind != PartialKind::values) {
            appendStringInfo(&columns, ", %s", computed_partial(shape, i));
            continue;
        }
        const char *name = psprintf("v%d", i + 1);
        appendStringInfo(&columns, ", coalesce(%s.n, 0)", name);
        appendStringInfoString(
            &joins, sql_template::fill(" LEFT JOIN (SELECT {hash} AS h, {keys}pg_catalog.count(*) AS n"
                                       " FROM {values} u{group_by}) {name} ON {name}.h = {same_hash}{same_keys}",
                                       {{"hash", key_text::hash(shape, "u.")},
                                        {"keys", key_text::list(shape, "u.")},
                                        {"values", state_tables::values(state, i)},
                                        {"group_by", key_text::group_by(shape, "")},
                                        {"name", name},
                                        {"same_hash", key_text::hash(shape, "r.")},
                                        {"same_keys", key_text::same(shape, name, "r")}}));
    }
    return sql_template::fill("SELECT {hash}, {keys}r.n{columns} FROM {rows} r{joins}",
                              {{"hash", key_text::hash(shape, "r.")},
                               {"keys", key_text::list(shape, "r.")},
                               {"columns", columns.data},
                               {"rows", row_names::fill},
                               {"joins", joins.data}});
}

// Puts a row without a hash into the state, which a crash removes with all others.
void put_mark(State state)
{
    SPI_connect();
    statement::execute(psprintf("INSERT INTO %s (n) VALUES (-1)", state_tables::groups(state)),
                       statement::Values(), SPI_OK_INSERT);
    SPI_finish();
    CommandCounterIncrement();
}

// ---- the next state ----

const char *type_name(Oid type)
{
    return format_type_be_qualified(type);
}

// What a partial aggregate # will be, of a touched group d with the state s.
const char *next_partial(const GroupShape &shape, const PartialAggregate &partial)
{
    switch (partial.kind) {
    case PartialKind::sum:
    case PartialKind::count:
    case PartialKind::members:
        return sql_template::fill("coalesce(s.p#, '0'::{type}) + coalesce(d.a#, '0'::{type})"
                                  " - coalesce(d.b#, '0'::{type})",
                                  {{"type", type_name(partial.type)}});
    case PartialKind::exact:
        return "refresh_mv_internal.exact_add(s.p#, d.a#, d.b#)";
    case PartialKind::smallest:
        return "CASE WHEN d.b# IS NULL OR d.b# > s.p# THEN LEAST(s.p#, d.a#) ELSE d.a# END";
    case PartialKind::largest:
        return "CASE WHEN d.b# IS NULL OR d.b# < s.p# THEN GREATEST(s.p#, d.a#) ELSE d.a# END";
    case PartialKind::values:
        return "coalesce(s.p#, 0) + coalesce(v#.step, 0)";
    case PartialKind::extremes:
        return psprintf("refresh_mv_internal.extremes_add(s.p#, d.a#, d.b#, %d)", bytes_of_extremes(shape));
    }
    return nullptr;
}

// Whether the partial aggregates before and after do not tell what # is now, as a condition.
const char *lost_partial(const PartialAggregate &partial)
{
    if (partial.kind == PartialKind::smallest)
        return " OR (f.b# <= f.s# AND (f.a# IS NULL OR f.a# > f.s#))";
    if (partial.kind == PartialKind::largest)
        return " OR (f.b# >= f.s# AND (f.a# IS NULL OR f.a# < f.s#))";
    return partial.kind == PartialKind::extremes ? " OR f.p# IS NULL" : "";
}

bool is_extreme(const PartialAggregate &partial)
{
    return partial.kind == PartialKind::smallest || partial.kind == PartialKind::largest;
}

// Joins the distinct values of a partial aggregate that come and go to the touched groups d.
char *join_values(const GroupShape &shape, int partial)
{
    const char *name = psprintf("v%d", partial + 1);
    return sql_template::fill(
        " LEFT JOIN (SELECT {hash} AS h, {keys}pg_catalog.sum(u.step)::pg_catalog.int8 AS step"
        " FROM {values} u{group_by}) {name} ON {name}.h = d.h{same_keys}",
        {{"hash", key_text::hash(shape, "u.")},
         {"keys", key_text::list(shape, "u.")},
         {"values", row_names::values(partial)},
         {"group_by", key_text::group_by(shape, "")},
         {"name", name},
         {"same_keys", key_text::same(shape, name, "d")}});
}

// The columns of the touched groups, for the parts of next().
struct NextText {
    StringInfoData next; // as they will be, and what lost_partial() needs
    StringInfoData result;
    StringInfoData lost;
    StringInfoData joins;
};

NextText next_text(const GroupShape &shape)
{
    NextText text;
    for (StringInfo part : {&text.next, &text.result, &text.lost, &text.joins})
        initStringInfo(part);
    for (int i = 0; i < shape.npartials; i++) {
        const PartialAggregate &partial = shape.partials[i];
        auto append = [&](StringInfo part, const char *sql) {
            appendStringInfoString(part, sql_template::number(sql, i + 1));
        };
        if (partial.kind == PartialKind::values)
            appendStringInfoString(&text.joins, join_values(shape, i));
        append(&text.next, psprintf(", %s AS p#", next_partial(shape, partial)));
        if (is_extreme(partial))
            append(&text.next, ", d.a#, d.b#, s.p# AS s#");
        append(&text.result, ", f.p#");
        append(&text.lost, lost_partial(partial));
    }
    return text;
}

// ---- writing ----

// "n = f.n, p1 = f.p1" and so on.
char *assignments(const GroupShape &shape)
{
    return psprintf("n = f.n%s", sql_template::number_all(", p# = f.p#", shape.npartials));
}

char *partial_list(const GroupShape &shape, const char *prefix)
{
    return psprintf("%sn%s", prefix, sql_template::number_all(psprintf(", %sp#", prefix), shape.npartials));
}

// Writes rows with their places: changes those that are there, removes those that
// count none, adds the others.
void write_rows(const char *table, const NamedRows &rows, const char *set, const char *columns,
                const char *values, bool keeps_empty)
{
    auto execute = [&](const char *sql, int expected) {
        const char *there = keeps_empty ? "true" : "f.n OPERATOR(pg_catalog.>) 0";
        statement::execute(sql_template::fill(sql, {{"table", table},
                                                    {"rows", rows.name},
                                                    {"set", set},
                                                    {"columns", columns},
                                                    {"values", values},
                                                    {"there", there}}),
                           statement::Values(), expected);
    };
    SPI_connect();
    ephemeral_rows::show_spi(rows);
    execute("UPDATE {table} s SET {set} FROM {rows} f WHERE s.ctid OPERATOR(pg_catalog.=) f.place AND {there}",
            SPI_OK_UPDATE);
    if (!keeps_empty)
        execute("DELETE FROM {table} s USING {rows} f WHERE s.ctid OPERATOR(pg_catalog.=) f.place"
                " AND f.n OPERATOR(pg_catalog.=) 0",
                SPI_OK_DELETE);
    execute("INSERT INTO {table} ({columns}) SELECT {values} FROM {rows} f WHERE f.place IS NULL AND {there}",
            SPI_OK_INSERT);
    SPI_finish();
}

} // namespace

namespace group_state {

bool is_there(State state)
{
    Datum mark;
    const char *sql = psprintf("SELECT s.n FROM %s s WHERE s.h IS NULL", state_tables::groups(state));
    return OidIsValid(state_tables::groups_oid(state)) && state_tables::may_change(state) && query::single_value(query::unchecked(sql), &mark);
}

bool fill(State state, Query *query, const GroupShape &shape, double most_bytes)
{
    List *columns = add_column(key_columns(shape), "n", INT8OID, InvalidOid);
    for (int i = 0; i < shape.npartials; i++)
        columns = add_column(columns, row_names::partial_column(i), shape.partials[i].type,
                             shape.partials[i].collation);
    state_tables::create(state_tables::groups(state), columns);
    for (int i = 0; i < shape.npartials; i++) {
        const PartialAggregate &partial = shape.partials[i];
        if (partial.kind != PartialKind::values)
            continue;
        auto *value = reinterpret_cast<Node *>(partial.value);
        columns = add_column(key_columns(shape), "v", exprType(value), exprCollation(value));
        state_tables::create(state_tables::values(state, i), add_column(columns, "n", INT8OID, InvalidOid));
        auto *values = static_cast<Query *>(copyObjectImpl(query));
        group_shape::select_values(values, shape, partial);
        fill_table(state_tables::values(state, i),
                   psprintf("SELECT %s, %sr.v, r.n FROM %s r", key_text::value_hash(shape, "r."), key_text::list(shape, "r."),
                            row_names::fill),
                   values);
        state_tables::create_index(state_tables::values(state, i));
    }
    auto *partials = static_cast<Query *>(copyObjectImpl(query));
    group_shape::select_partials(partials, shape);
    if (!fill_table(state_tables::groups(state), fill_text(shape, state), partials, most_bytes))
        return false;
    state_tables::create_index(state_tables::groups(state));
    put_mark(state);
    return true;
}

Query *next_values(State state, const GroupShape &shape, int partial, Query *net, QueryEnvironment *environment)
{
    const char *sql = sql_template::fill(
        "WITH c AS (SELECT {hash} AS h, u.* FROM {net} u)"
        " SELECT s.ctid AS place, c.h, {keys}c.v, coalesce(s.n, 0) + c.n AS n,"
        " CASE WHEN s.ctid IS NULL THEN 1 WHEN s.n + c.n = 0 THEN -1 ELSE 0 END AS step"
        " FROM c LEFT JOIN {values} s ON s.h = c.h AND s.v = c.v{same_keys}",
        {{"hash", key_text::value_hash(shape, "u.")},
         {"net", row_names::net},
         {"keys", key_text::list(shape, "c.")},
         {"values", state_tables::values(state, partial)},
         {"same_keys", key_text::same(shape, "s", "c")}});
    return ephemeral_rows::over(sql, row_names::net, net, environment);
}

Query *next(State state, const GroupShape &shape, Query *net, QueryEnvironment *environment)
{
    NextText text = next_text(shape);
    const char *sql = sql_template::fill(
        "WITH d AS (SELECT {hash} AS h, u.* FROM {net} u),"
        " f AS (SELECT s.ctid AS place, d.h, {keys_of_d}coalesce(s.n, 0) + d.n AS n{next} FROM d"
        " LEFT JOIN {groups} s ON s.h = d.h{same_keys}{joins})"
        " SELECT f.place, f.h, {keys_of_f}f.n{result}, coalesce(f.n > 0 AND (false{lost}), false) AS redo FROM f",
        {{"hash", key_text::hash(shape, "u.")},
         {"net", row_names::net},
         {"keys_of_d", key_text::list(shape, "d.")},
         {"next", text.next.data},
         {"groups", state_tables::groups(state)},
         {"same_keys", key_text::same(shape, "s", "d")},
         {"joins", text.joins.data},
         {"keys_of_f", key_text::list(shape, "f.")},
         {"result", text.result.data},
         {"lost", text.lost.data}});
    return ephemeral_rows::over(sql, row_names::net, net, environment);
}

NamedRows redone(const GroupShape &shape, QueryEnvironment *environment)
{
    StringInfoData partials;
    initStringInfo(&partials);
    for (int i = 0; i < shape.npartials; i++)
        if (shape.partials[i].kind == PartialKind::values)
            appendStringInfo(&partials, ", f.p%d", i + 1);
        else
            appendStringInfo(&partials, ", CASE WHEN f.redo THEN %s ELSE f.p%d END AS p%d", computed_partial(shape, i),
                             i + 1, i + 1);
    const char *sql = sql_template::fill(
        "SELECT f.place, f.h, {keys}f.n{partials}, false AS redo FROM {groups} f"
        " LEFT JOIN (SELECT {hash} AS h, r.* FROM {redone} r) r ON r.h = f.h{same_keys}",
        {{"keys", key_text::list(shape, "f.")},
         {"partials", partials.data},
         {"groups", row_names::groups},
         {"hash", key_text::hash(shape, "r.")},
         {"redone", row_names::redone},
         {"same_keys", key_text::same(shape, "r", "f")}});
    return ephemeral_rows::result_of(query::unchecked(sql, environment), row_names::groups, environment);
}

void write(State state, const GroupShape &shape, const NamedRows &groups, QueryEnvironment *environment)
{
    write_rows(state_tables::groups(state), groups, assignments(shape),
               psprintf("h, %s%s", key_text::list(shape, ""), partial_list(shape, "")),
               psprintf("f.h, %s%s", key_text::list(shape, "f."), partial_list(shape, "f.")), shape.single);
    for (int i = 0; i < shape.npartials; i++)
        if (shape.partials[i].kind == PartialKind::values)
            write_rows(state_tables::values(state, i),
                       ephemeral_rows::shown(environment, row_names::values(i)), "n = f.n",
                       psprintf("h, %sv, n", key_text::list(shape, "")),
                       psprintf("f.h, %sf.v, f.n", key_text::list(shape, "f.")), false);
    CommandCounterIncrement();
}

} // namespace group_state

} // namespace refresh_mv
