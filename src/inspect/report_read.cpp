#include "inspect/explain.hpp"
#include "inspect/report.hpp"
#include "query/view.hpp"
#include "server/bridge.hpp"

#include <algorithm>
#include <map>

namespace refresh_mv::report {

namespace {

// Of each view so many runs are shown, and of all together.
constexpr int most_runs = 30;
constexpr int least_runs = 8;
constexpr int runs_in_all = 6000;

// ---- what queries return, as text in UTF-8 ----

const char *in_utf8(const char *text)
{
    if (text == nullptr || GetDatabaseEncoding() == PG_SQL_ASCII)
        return text;
    return pg_server_to_any(text, static_cast<int>(strlen(text)), PG_UTF8);
}

struct Rows {
    int count;
    int columns;
    const char **cells; // null: NULL
};

// Runs a query as the caller, under the snapshot of his statement.
Rows run_query(const char *sql)
{
    MemoryContext memory = CurrentMemoryContext;
    SPI_connect();
    int result = SPI_execute(sql, true, 0);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "unexpected result of a query for the report: %s", SPI_result_code_string(result));
    Rows rows = {static_cast<int>(SPI_processed), SPI_tuptable->tupdesc->natts, nullptr};
    rows.cells = static_cast<const char **>(
        MemoryContextAllocExtended(memory, sizeof(char *) * (rows.count * rows.columns + 1), MCXT_ALLOC_HUGE));
    for (int i = 0; i < rows.count * rows.columns; i++) {
        const char *text = in_utf8(
            SPI_getvalue(SPI_tuptable->vals[i / rows.columns], SPI_tuptable->tupdesc, i % rows.columns + 1));
        rows.cells[i] = text ? MemoryContextStrdup(memory, text) : nullptr;
    }
    SPI_finish();
    return rows;
}

// The rows of a query, one after the other, and of each its columns, one after the other.
class Reader {
public:
    explicit Reader(const char *sql) : rows_(guard([&] { return run_query(sql); })) {}

    bool next()
    {
        next_cell_ = ++row_ * rows_.columns;
        return row_ < rows_.count;
    }
    const char *cell() { return rows_.cells[next_cell_++]; }
    std::string text()
    {
        const char *value = cell();
        return value ? value : "";
    }
    double number()
    {
        const char *value = cell();
        return value ? strtod(value, nullptr) : -1;
    }
    uint32_t oid()
    {
        const char *value = cell();
        return value ? static_cast<uint32_t>(strtoul(value, nullptr, 10)) : 0;
    }
    // Whether a column is true, or false, or not known.
    bool is(char what)
    {
        const char *value = cell();
        return (value ? *value : '?') == what;
    }
    char truth()
    {
        const char *value = cell();
        return value ? *value : '?';
    }

private:
    Rows rows_;
    int row_ = -1;
    int next_cell_ = 0;
};

#define MS(interval) "1000 * extract(epoch FROM " interval ")"
#define TIME(moment) "pg_catalog.to_char(" moment ", 'YYYY-MM-DD HH24:MI:SSOF')"

constexpr const char *header_sql =
    "SELECT pg_catalog.current_database(), current_user, pg_catalog.current_setting('server_version'),"
    " (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.extname = 'refresh_mv'), " TIME("now()");

constexpr const char *views_sql =
    "SELECT c.oid, s.schema, s.name, s.owner, pg_catalog.format('%L', pg_catalog.format('%I.%I', s.schema, s.name)),"
    " s.populated, s.tracked, s.stale, s.enabled, s.unknown_reason, s.pending_changes, s.consecutive_failures, "
    TIME("s.last_success") ", s.last_method, s.keep_before, "
    MS("s.last_duration") ", " MS("s.lag") ", " MS("s.max_lag") ", s.row_estimate, s.total_bytes"
    " FROM refresh_mv.status s"
    " JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema"
    " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.name AND c.relkind = 'm'"
    " ORDER BY s.schema COLLATE \"C\", s.name COLLATE \"C\"";

constexpr const char *max_lags_sql =
    "SELECT s.schema, s.name FROM refresh_mv.status s WHERE s.max_lag IS NOT NULL AND NOT s.max_lag_possible";

constexpr const char *runs_sql =
    "SELECT r.view::pg_catalog.oid, " TIME("r.started") ", " MS("r.duration") ", r.method, r.rows_written, " MS("r.lag") ", r.success, r.sqlstate,"
    " CASE WHEN r.success THEN r.reason ELSE r.message END"
    " FROM refresh_mv.last_runs r WHERE r.number <= %d ORDER BY 1, r.number DESC";

constexpr const char *edges_sql =
    "SELECT d.view::pg_catalog.oid, d.depends_on::pg_catalog.oid, n.nspname, c.relname, d.kind"
    " FROM refresh_mv.dependencies d JOIN pg_catalog.pg_class c ON c.oid = d.depends_on"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", d.view::pg_catalog.oid";

// ---- views ----

Freshness freshness(bool populated, char tracked, char stale, int failures)
{
    if (failures > 0)
        return Freshness::failing;
    if (!populated)
        return Freshness::empty;
    if (tracked == '?')
        return Freshness::hidden;
    return stale == 't' ? Freshness::stale : stale == 'f' ? Freshness::fresh : Freshness::unknown;
}

Relation read_view(Reader *row)
{
    Relation view;
    view.is_view = true;
    view.oid = row->oid();
    view.schema = row->text();
    view.name = row->text();
    view.owner = row->text();
    view.literal = row->text();
    bool populated = row->is('t');
    char tracked = row->truth();
    char stale = row->truth();
    view.readable = tracked != '?';
    view.tracked = tracked == 't';
    view.enabled = !row->is('f');
    view.why_unknown = row->text();
    view.pending = row->number();
    view.failures = std::max(0, static_cast<int>(row->number()));
    view.last_success = row->text();
    view.last_method = row->text();
    view.keep_before = row->text();
    for (double *ms : {&view.last_ms, &view.lag_ms, &view.max_lag_ms})
        *ms = row->number();
    view.max_lag_missed = view.max_lag_ms >= 0 && view.lag_ms > view.max_lag_ms;
    view.rows = row->number();
    view.bytes = row->number();
    view.freshness = freshness(populated, tracked, stale, view.failures);
    return view;
}

// How soon a view is to be looked at.
bool comes_before(const Relation &a, const Relation &b)
{
    return a.freshness != b.freshness ? a.freshness < b.freshness : a.failures > b.failures;
}

void read_views(Contents *contents)
{
    for (Reader row(views_sql); row.next();)
        contents->relations.push_back(read_view(&row));
    contents->views = static_cast<int>(contents->relations.size());
    std::stable_sort(contents->relations.begin(), contents->relations.end(), comes_before);
}

// Notes which views lag too far behind as runs go.  That takes their whole history.
void read_max_lags(Contents *contents)
{
    if (std::none_of(contents->relations.begin(), contents->relations.end(), [](const Relation &view) { return view.max_lag_ms >= 0; }))
        return;
    for (Reader row(max_lags_sql); row.next();) {
        std::string schema = row.text(), name = row.text();
        for (Relation &view : contents->relations)
            view.max_lag_missed |= view.schema == schema && view.name == name;
    }
}

// The places of relations by their oids.
using Places = std::map<uint32_t, int>;

Places places_of(const Contents &contents)
{
    Places places;
    for (size_t i = 0; i < contents.relations.size(); i++)
        places[contents.relations[i].oid] = static_cast<int>(i);
    return places;
}

void read_runs(Contents *contents, const Places &places)
{
    int number = std::clamp(runs_in_all / std::max(contents->views, 1), least_runs, most_runs);
    const char *sql = guard([&] { return psprintf(runs_sql, number); });
    for (Reader row(sql); row.next();) {
        auto place = places.find(row.oid());
        if (place == places.end())
            continue;
        Run run;
        run.started = row.text();
        run.ms = row.number();
        run.method = row.text();
        run.written = row.number();
        run.lag_ms = row.number();
        run.success = row.is('t');
        run.sqlstate = row.text();
        run.reason = row.text();
        contents->relations[place->second].runs.push_back(run);
    }
}

// Reads the edges, and adds what is no view.
void read_edges(Contents *contents, Places *places)
{
    for (Reader row(edges_sql); row.next();) {
        auto view = places->find(row.oid());
        Relation source;
        source.oid = row.oid();
        source.schema = row.text();
        source.name = row.text();
        source.kind = row.text();
        if (view == places->end())
            continue; // created since
        int reader = view->second;
        auto [place, fresh] = places->emplace(source.oid, static_cast<int>(contents->relations.size()));
        if (fresh)
            contents->relations.push_back(source);
        contents->edges.emplace_back(place->second, reader);
    }
}

// ---- what explain() says ----

// Takes over what is said of a view.
void take(Relation *view, List *rows)
{
    ListCell *row, *cell;
    List *all = NIL;
    foreach (row, rows) {
        auto *explained = static_cast<Explained *>(lfirst(row));
        if (explained->chosen) {
            view->next_method = name_of(explained->method);
            view->next_reason = guard([&] { return in_utf8(explained->reason); });
        }
        foreach (cell, explained->remedies) {
            auto *remedy = static_cast<Remedy *>(lfirst(cell));
            guard([&] { advice::add(&all, remedy->statement, remedy->reason); });
        }
    }
    foreach (cell, all) {
        auto *remedy = static_cast<Remedy *>(lfirst(cell));
        const char *statement = guard([&] { return in_utf8(remedy->statement); });
        const char *reason = guard([&] { return in_utf8(remedy->reason); });
        view->advice.push_back({statement, reason});
    }
    view->explained = true;
}

// Explains a view; why not, if that cannot be done now, or it is not there any more.
void explain_one(Relation *view)
{
    try {
        subtransaction([&] { take(view, explain::explain(view->oid, false)); });
    } catch (const PgError &error) {
        if (is_cancel(error.data))
            throw;
        bool owned = guard([&] { return view::is_owner(view->oid); });
        view->next_reason = guard([&] { return in_utf8(view::told(error.data, owned)); });
    } catch (const Error &error) {
        view->next_reason = error.message;
    }
}

// The views that the caller may have explained, those whose refreshes take longest first.
std::vector<Relation *> in_order(Contents *contents)
{
    std::vector<std::pair<double, Relation *>> ranked;
    std::vector<Relation *> views;
    for (Relation &relation : contents->relations) {
        double ms = 0;
        for (const Run &run : relation.runs)
            ms += run.ms;
        if (relation.readable)
            ranked.emplace_back(relation.failures > 0 ? 1e18 : ms, &relation);
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](auto &a, auto &b) { return a.first > b.first; });
    for (auto &[ms, view] : ranked)
        views.push_back(view);
    return views;
}

void explain_views(Contents *contents, int64_t explain_for)
{
    TimestampTz until = GetCurrentTimestamp() + explain_for;
    for (Relation *view : in_order(contents)) {
        if (GetCurrentTimestamp() >= until)
            break;
        guard([] { CHECK_FOR_INTERRUPTS(); });
        explain_one(view);
        contents->explained++;
    }
}

void read_header(Contents *contents)
{
    Reader row(header_sql);
    row.next();
    for (std::string *text : {&contents->database, &contents->role, &contents->server, &contents->extension, &contents->now})
        *text = row.text();
}

} // namespace

Contents read(int64_t explain_for)
{
    Contents contents;
    contents.explaining = explain_for > 0;
    read_header(&contents);
    read_views(&contents);
    read_max_lags(&contents);
    Places places = places_of(contents);
    read_runs(&contents, places);
    read_edges(&contents, &places);
    if (contents.explaining)
        explain_views(&contents, explain_for);
    return contents;
}

} // namespace refresh_mv::report
