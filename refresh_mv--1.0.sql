-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION refresh_mv" to load this file. \quit

-- Operators and functions in the objects below must not be found in a schema
-- that somebody else can write to.
SET LOCAL search_path = pg_catalog, pg_temp;

-- What users call is in refresh_mv, and two functions in the schema that they choose.
-- What they do not is in refresh_mv_internal, to which nobody has USAGE, so that nobody can
-- name it.  Views, functions with a parsed body (BEGIN ATOMIC) and triggers found it when
-- they were made, the library knows it by oid; to execute it there are the rights granted
-- at the end.
CREATE SCHEMA refresh_mv;
GRANT USAGE ON SCHEMA refresh_mv TO PUBLIC;
COMMENT ON SCHEMA refresh_mv IS
    'What users call and read of extension refresh_mv, and its tables.';
CREATE SCHEMA refresh_mv_internal;
COMMENT ON SCHEMA refresh_mv_internal IS
    'The functions of extension refresh_mv that only it calls.';

-- --------------------------------------------------------------------- tables

-- A dump holds settings, trusted, journal and run_ids.  Nobody else has any rights on these tables
-- than whoever created the extension, who has those that it takes to restore them.

CREATE TABLE refresh_mv.settings (
    view_schema       text NOT NULL,
    view_name         text NOT NULL,
    date_column       text,
    window_days       integer,
    keep_before       interval,
    enabled           boolean NOT NULL DEFAULT true,
    statement_timeout integer,
    lock_timeout      integer,
    work_mem          integer,
    tracked           boolean NOT NULL DEFAULT false,
    on_commit         boolean NOT NULL DEFAULT false,
    notify            boolean NOT NULL DEFAULT false,
    feed_keep         interval,
    max_lag           interval,
    coarse            boolean NOT NULL DEFAULT false,
    PRIMARY KEY (view_schema, view_name)
);
SELECT pg_catalog.pg_extension_config_dump('refresh_mv.settings', '');
COMMENT ON TABLE refresh_mv.settings IS
    'The settings of views, made by configure() and track(); by name, so that a dump can restore them '
    'before the views.';
COMMENT ON COLUMN refresh_mv.settings.statement_timeout IS 'milliseconds';
COMMENT ON COLUMN refresh_mv.settings.lock_timeout IS 'milliseconds';
COMMENT ON COLUMN refresh_mv.settings.work_mem IS 'kilobytes';
COMMENT ON COLUMN refresh_mv.settings.coarse IS 'by track(..., capture => ''coarse'')';

CREATE TABLE refresh_mv.trusted (
    function   text NOT NULL,
    trusted_by text NOT NULL,
    PRIMARY KEY (function, trusted_by)
);
SELECT pg_catalog.pg_extension_config_dump('refresh_mv.trusted', '');
COMMENT ON TABLE refresh_mv.trusted IS
    'Functions whose results are taken to depend on their arguments alone, and who says so, by trust(); by name, '
    'so that a dump can restore them.';

-- Its row is what keeps two transactions under REPEATABLE READ from merging over each
-- other.  What tracking knows, here and in the tables below, is made anew after a restore.
CREATE TABLE refresh_mv.state (
    view       oid PRIMARY KEY,
    merged_at  timestamptz NOT NULL,
    snapshot   pg_snapshot,
    own_xid    xid8,    -- the refresh's own transaction ...
    own_seq    bigint,  -- ... and the last log entry it had seen of it
    floor_seq  bigint,  -- entries up to this one are all in the snapshot
    next_floor bigint,  -- and up to this one, once all transactions ...
    next_xid   xid8,    -- ... before this one have ended
    settings   text,    -- under which it was computed; null: does not matter
    uses       text,    -- the functions, types and views that it used, as they were
    groups     text,    -- what the state of its groups is of; null: there is none
    files      text,    -- the files of its sources, as they were
    full_ms    double precision, -- what the last full refresh took, in milliseconds
    full_rows  double precision, -- how many rows it wrote
    exact_ms   double precision, -- the last exact one
    exact_rate double precision, -- and such ones for each unit of the planner's costs
    change_ms  double precision, -- and for each change, where there are many
    as_of      timestamptz, -- the time of the transaction; null: the result does not depend on the time ...
    as_of_statement timestamptz, -- ... and of its statement
    kept       text     -- the bound of what keep_before kept then; null: nothing
);
COMMENT ON TABLE refresh_mv.state IS
    'The last merge into each view; of a tracked one the baseline: what that refresh had seen.';

-- A full refresh in chunks that has not ended.  Its place in the view is kept in binary: as text it would depend on
-- settings.
CREATE TABLE refresh_mv.chunks (
    view          oid PRIMARY KEY,
    began         timestamptz NOT NULL,
    last_chunk_at timestamptz NOT NULL,
    size          text NOT NULL,
    uses          text NOT NULL,   -- what the view's query meant
    attnum        bigint NOT NULL, -- the column by which the view is divided
    type          oid NOT NULL,
    bound         bytea,           -- what is done begins there; null: with the least value
    done_from     text,            -- the same for people
    only_nulls    boolean NOT NULL, -- rows without a value are all that is left
    chunks        bigint NOT NULL,
    kept          text,            -- the bound of what keep_before kept; null: nothing
    inexact       text             -- why changes meanwhile are not taken in; null: they are
);
COMMENT ON TABLE refresh_mv.chunks IS 'How far full refreshes in chunks have come that have not ended.';

-- The id is made of the time, not by a sequence: what happens on commit must not be what
-- lastval() tells the client.
CREATE TABLE refresh_mv.journal (
    id             bigint PRIMARY KEY,
    run            bigint,
    view_schema    text NOT NULL,
    view_name      text NOT NULL,
    mode           text NOT NULL,
    method         text NOT NULL,
    reason         text NOT NULL,
    started        timestamptz NOT NULL,
    duration       interval NOT NULL,
    rows_inserted  bigint NOT NULL,
    rows_updated   bigint NOT NULL,
    rows_deleted   bigint NOT NULL,
    rows_unchanged bigint NOT NULL,
    snapshot_time  timestamptz,
    success        boolean NOT NULL,
    sqlstate       text,
    message        text,
    role           name NOT NULL,
    source         text NOT NULL,
    lag            interval        -- from the first change that it took in to its end
);
CREATE INDEX journal_view_idx ON refresh_mv.journal (view_schema, view_name, id);
CREATE INDEX journal_started_idx ON refresh_mv.journal (view_schema, view_name, started);
SELECT pg_catalog.pg_extension_config_dump('refresh_mv.journal', '');
COMMENT ON TABLE refresh_mv.journal IS
    'The history: a row for each view of each run; run is NULL where it was refreshed on commit or by '
    'REFRESH. Users read it through refresh_mv.history.';

CREATE SEQUENCE refresh_mv.run_ids;
SELECT pg_catalog.pg_extension_config_dump('refresh_mv.run_ids', '');
COMMENT ON SEQUENCE refresh_mv.run_ids IS 'The numbers of runs in the history.';

CREATE TABLE refresh_mv.names (
    view        oid PRIMARY KEY,
    view_schema text NOT NULL,
    view_name   text NOT NULL
);
COMMENT ON TABLE refresh_mv.names IS
    'What the views that have settings or a history were called last, so that both can follow a view that '
    'is renamed.';

-- Part 0 of an entry says what the view was after the refresh, the others have its rows.
CREATE TABLE refresh_mv.feed_entries (
    view       oid NOT NULL,
    mark       bigint NOT NULL,      -- rises in the order of commits, of each view
    part       integer NOT NULL,
    at         timestamptz NOT NULL,
    run        bigint,
    file       oid,
    columns    text,
    start_over text,                 -- why the changes are not known; null: they are the rows
    gone       text[],
    came       text[],
    PRIMARY KEY (view, mark, part)
);
COMMENT ON TABLE refresh_mv.feed_entries IS
    'The rows that left views and came, as text, by refreshes of views whose feed_keep is set. Users read it through '
    'refresh_mv.feed().';

CREATE TABLE refresh_mv.sources (
    relation  oid PRIMARY KEY,
    layout    bigint NOT NULL,   -- of its log entries: a hash of the columns
    exact     boolean NOT NULL,  -- rows are logged; else just that there were changes
    on_commit boolean NOT NULL,
    key_index oid NOT NULL,      -- 0: none
    key       text[] NOT NULL,   -- columns, as the index has them
    columns   text[] NOT NULL    -- all that are logged, in the relation's order
);
COMMENT ON TABLE refresh_mv.sources IS
    'The relations whose changes are logged: tables, roots of partition trees, materialized views.';

CREATE TABLE refresh_mv.members (
    member      oid PRIMARY KEY,
    relation    oid NOT NULL,
    fingerprint text NOT NULL      -- of its triggers, as they were installed
);
CREATE INDEX members_relation_idx ON refresh_mv.members (relation);
COMMENT ON TABLE refresh_mv.members IS
    'The relations that have triggers of this extension: each source itself and the partitions below it.';

CREATE TABLE refresh_mv.tracked (
    view      oid NOT NULL,
    relation  oid NOT NULL,
    columns   text[] NOT NULL,
    on_commit boolean NOT NULL,
    coarse    boolean NOT NULL,    -- it does not need rows
    since     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (view, relation)
);
CREATE INDEX tracked_relation_idx ON refresh_mv.tracked (relation);
COMMENT ON TABLE refresh_mv.tracked IS 'Which tracked view reads which source, and what of it.';

CREATE TABLE refresh_mv.uses (
    view    oid NOT NULL,
    classid oid NOT NULL,
    objid   oid NOT NULL,
    PRIMARY KEY (classid, objid, view)
);
COMMENT ON TABLE refresh_mv.uses IS
    'Functions, types, ordinary views and so on that the meaning of a tracked view''s query depends on.';

-- Written by triggers, directly, as undo images.  An entry without data says that
-- anything may have changed; its relation may be a tracked view too, whose definition
-- has changed, say.
CREATE TABLE refresh_mv.log (
    relation oid NOT NULL,
    seq      bigint NOT NULL,      -- the WAL position, taken with the rows locked
    xid      xid8 NOT NULL,        -- of the top-level transaction
    layout   bigint NOT NULL,
    nested   boolean NOT NULL,
    records  bigint NOT NULL,
    data     bytea,
    reason   text,
    at       timestamptz NOT NULL
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 10000, vacuum_truncate = false);
ALTER TABLE refresh_mv.log ALTER COLUMN data SET STORAGE EXTERNAL; -- part of CREATE TABLE from PostgreSQL 16 on
CREATE INDEX log_idx ON refresh_mv.log (relation, seq);
COMMENT ON TABLE refresh_mv.log IS
    'The changes of sources that some tracked view has not seen yet.';

DO $$
BEGIN
    EXECUTE (
        SELECT pg_catalog.format(
            'GRANT SELECT, INSERT ON refresh_mv.settings, refresh_mv.trusted, refresh_mv.journal TO %1$I;'
            'GRANT SELECT, UPDATE ON refresh_mv.run_ids TO %1$I',
            pg_catalog.pg_get_userbyid(extowner))
        FROM pg_catalog.pg_extension WHERE extname = 'refresh_mv');
END
$$;

-- ----------------------------------------------------------------- refreshing

CREATE FUNCTION @extschema@.refresh_materialized_views_smart(
    views regclass[] DEFAULT NULL, cascade boolean DEFAULT false,
    OUT success boolean, OUT views_refreshed text[], OUT duration_seconds double precision,
    OUT refresh_type text, OUT message text)
AS 'MODULE_PATHNAME', 'refresh_mv_smart' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.refresh_materialized_views_smart(regclass[], boolean) IS
    'Refreshes materialized views (NULL: all that the caller may refresh), each by the method that suits '
    'it. Returns which were refreshed, the seconds it took, and a message; success is false if one failed.';

CREATE FUNCTION @extschema@.refresh_materialized_views(
    incremental boolean DEFAULT false, date_range_days integer DEFAULT 2,
    views regclass[] DEFAULT NULL, cascade boolean DEFAULT false,
    OUT success boolean, OUT views_refreshed text[], OUT duration_seconds double precision,
    OUT refresh_type text, OUT message text)
AS 'MODULE_PATHNAME', 'refresh_mv_refresh' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.refresh_materialized_views(boolean, integer, regclass[], boolean) IS
    'Refreshes materialized views (NULL: all that the caller may refresh) in full, or the rows of the '
    'last days. Returns which were refreshed, the seconds it took, and a message; success is false if one '
    'failed.';

CREATE PROCEDURE refresh_mv.run(
    mode text DEFAULT 'smart', date_range_days integer DEFAULT 2,
    views regclass[] DEFAULT NULL, cascade boolean DEFAULT false, wait boolean DEFAULT false,
    every interval DEFAULT NULL, jobs integer DEFAULT 1, one_snapshot boolean DEFAULT false,
    chunk text DEFAULT NULL, pause_if_replica_lag text DEFAULT NULL, max_wal_rate text DEFAULT NULL, resume boolean DEFAULT true)
AS 'MODULE_PATHNAME', 'refresh_mv_run' LANGUAGE C;
COMMENT ON PROCEDURE refresh_mv.run(text, integer, regclass[], boolean, boolean, interval, integer, boolean, text, text, text, boolean) IS
    'Refreshes materialized views (NULL: all that the caller may refresh) by mode smart, full or '
    'incremental, and commits after each. Fails at the end if one failed; one that is locked is skipped '
    'unless it is to wait. One whose max_lag is kept until the next call is left; every says when that is, if the '
    'history does not. With jobs so many processes refresh views at once; with one_snapshot all views are as of '
    'one moment. With chunk, an interval or a number of rows, a full refresh of a view commits after each chunk, newest '
    'first, and goes on where a call before has ended.';

CREATE PROCEDURE refresh_mv_internal.refresh_statement()
AS 'MODULE_PATHNAME', 'refresh_mv_refresh_statement' LANGUAGE C;
COMMENT ON PROCEDURE refresh_mv_internal.refresh_statement() IS
    'What becomes of REFRESH MATERIALIZED VIEW if refresh_mv.take_over says so. Fails if it is called otherwise.';

CREATE FUNCTION refresh_mv.refresh_where(
    view regclass, condition text,
    OUT rows_inserted bigint, OUT rows_updated bigint, OUT rows_deleted bigint)
AS 'MODULE_PATHNAME', 'refresh_mv_refresh_where' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.refresh_where(regclass, text) IS
    'Refreshes the rows of a materialized view that satisfy a condition on its columns. Returns how many '
    'were written. Fails for others than the owner, or if rows outside could change too.';

CREATE FUNCTION refresh_mv.replace_query(
    view regclass, query text,
    OUT rows_inserted bigint, OUT rows_updated bigint, OUT rows_deleted bigint)
AS 'MODULE_PATHNAME', 'refresh_mv_replace_query' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.replace_query(regclass, text) IS
    'Gives a materialized view another query, which returns the columns that it has, and perhaps more after them. All '
    'that depends on the view stays. Returns how many rows were written. Fails for others than the owner.';

CREATE FUNCTION refresh_mv.configure(
    view regclass, date_column text DEFAULT '', window_days integer DEFAULT -1,
    keep_before interval DEFAULT '-1 days', enabled boolean DEFAULT NULL,
    statement_timeout text DEFAULT '', lock_timeout text DEFAULT '', work_mem text DEFAULT '',
    notify boolean DEFAULT NULL, feed_keep interval DEFAULT '-1 days', max_lag interval DEFAULT '-1 days')
RETURNS void
AS 'MODULE_PATHNAME', 'refresh_mv_configure' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.configure(
    regclass, text, integer, interval, boolean, text, text, text, boolean, interval, interval) IS
    'Changes the settings of a materialized view: those that are named, and NULL resets one. Timeouts and '
    'memory are given with units, as for SET. Fails for others than the owner.';

-- Of each view with a feed that the caller may read: its last entry, and whether the view still is what that says: the
-- file is the one there is now, not under the snapshot, which shows the rows of another file without their entry.
CREATE VIEW refresh_mv.feeds WITH (security_barrier) AS
SELECT c.oid AS view, l.mark, l.at,
       coalesce(l.file = pg_catalog.pg_relation_filenode(c.oid) AND l.columns = (
           SELECT pg_catalog.string_agg(a.attname || ' ' || a.atttypid::text || ' ' || a.atttypmod::text, ',' ORDER BY a.attnum)
           FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0), false) AS current
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN refresh_mv.settings s ON s.view_schema = n.nspname AND s.view_name = c.relname
LEFT JOIN LATERAL (
    SELECT e.mark, e.at, e.file, e.columns FROM refresh_mv.feed_entries e
    WHERE e.view = c.oid AND e.part = 0 ORDER BY e.mark DESC LIMIT 1) l ON true
WHERE c.relkind = 'm' AND s.feed_keep IS NOT NULL AND pg_catalog.has_table_privilege(c.oid, 'SELECT');
GRANT SELECT ON refresh_mv.feeds TO PUBLIC;
COMMENT ON VIEW refresh_mv.feeds IS
    'The views that have a feed, and that the caller may read: the mark of the last entry, when that was made, and whether '
    'the view still has its columns and its file.';

CREATE VIEW refresh_mv.feed_rows WITH (security_barrier) AS
SELECT e.view, e.mark, e.part, e.at, e.run, e.start_over, e.gone, e.came
FROM refresh_mv.feed_entries e WHERE pg_catalog.has_table_privilege(e.view, 'SELECT');
GRANT SELECT ON refresh_mv.feed_rows TO PUBLIC;
COMMENT ON VIEW refresh_mv.feed_rows IS
    'The entries of feeds of views that the caller may read; refresh_mv.feed() puts them in order.';

-- All is read under one snapshot: that of the calling statement.
CREATE FUNCTION refresh_mv.feed(
    view regclass, since bigint DEFAULT NULL,
    OUT mark bigint, OUT run bigint, OUT at timestamptz, OUT change text, OUT row_text text, OUT reason text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    of_view CONSTANT oid := feed.view;
    after CONSTANT bigint := feed.since;
    last record;
BEGIN
    IF of_view IS NULL THEN
        RAISE EXCEPTION 'view must not be null' USING ERRCODE = 'null_value_not_allowed';
    ELSIF (SELECT c.relkind FROM pg_class c WHERE c.oid = of_view) IS DISTINCT FROM 'm' THEN
        RAISE EXCEPTION '"%" is not a materialized view', of_view::regclass
            USING ERRCODE = 'wrong_object_type', HINT = 'Name materialized views only.';
    ELSIF NOT has_table_privilege(of_view, 'SELECT') THEN
        RAISE EXCEPTION 'permission denied for materialized view %', (SELECT c.relname FROM pg_class c WHERE c.oid = of_view)
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT f.mark, f.at, f.current INTO last FROM refresh_mv.feeds f WHERE f.view = of_view;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'materialized view "%" has no feed', (SELECT c.relname FROM pg_class c WHERE c.oid = of_view)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Its owner begins one by SELECT refresh_mv.configure(%L, feed_keep => ''1 day'').',
                                of_view::regclass);
    END IF;
    reason := CASE
        WHEN after IS NULL THEN 'no mark was given'
        WHEN last.mark IS NULL THEN 'the view has not been refreshed since it has a feed here'
        WHEN NOT last.current THEN 'the view has other columns, or another file, than after its last refresh'
        WHEN NOT EXISTS (SELECT FROM refresh_mv.feed_rows r WHERE r.view = of_view AND r.mark = after AND r.part = 0)
            THEN 'the mark is none of those that are kept'
        ELSE (SELECT r.start_over FROM refresh_mv.feed_rows r
              WHERE r.view = of_view AND r.mark > after AND r.part = 0 AND r.start_over IS NOT NULL
              ORDER BY r.mark DESC LIMIT 1) END;
    IF reason IS NOT NULL THEN
        RETURN QUERY SELECT CASE WHEN last.current THEN last.mark END, NULL::bigint, last.at, 'start over', NULL::text, reason;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT h.mark, h.run, h.at, c.change, c.row_text, NULL::text
        FROM refresh_mv.feed_rows h
        JOIN refresh_mv.feed_rows p ON p.view = h.view AND p.mark = h.mark AND p.part > 0
        CROSS JOIN LATERAL (
            SELECT 'left', g.row_text, 0, g.number FROM unnest(p.gone) WITH ORDINALITY g (row_text, number)
            UNION ALL
            SELECT 'came', n.row_text, 1, n.number FROM unnest(p.came) WITH ORDINALITY n (row_text, number)
        ) c (change, row_text, side, number)
        WHERE h.view = of_view AND h.mark > after AND h.part = 0
        ORDER BY h.mark, p.part, c.side, c.number;
END
$$;
COMMENT ON FUNCTION refresh_mv.feed(regclass, bigint) IS
    'Returns the rows that left a materialized view and came, as text, after the refresh with that mark: all of them, once, '
    'in order. Where they are not known it returns one row that says "start over". Fails for those who may not read the '
    'view, and if its feed_keep is not set.';

CREATE FUNCTION refresh_mv.trust(function regprocedure, trusted boolean DEFAULT true) RETURNS void
AS 'MODULE_PATHNAME', 'refresh_mv_trust' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.trust(regprocedure, boolean) IS
    'Says that the result of a function, or of an aggregate, depends on its arguments alone, whatever it is declared to be: '
    'views that use it can be tracked, those of the caller or, if the function is his, all. What else it reads is '
    'not noticed. false takes that back. Fails for others than the owner of the function or of a view that uses it.';

CREATE VIEW refresh_mv.trusted_functions AS SELECT function, trusted_by FROM refresh_mv.trusted;
GRANT SELECT ON refresh_mv.trusted_functions TO PUBLIC;
COMMENT ON VIEW refresh_mv.trusted_functions IS 'The functions that are trusted, and who has said so.';

-- ------------------------------------------------------------------- tracking

CREATE FUNCTION refresh_mv.track(
    view regclass DEFAULT NULL, on_commit boolean DEFAULT NULL, capture text DEFAULT NULL,
    OUT view_name regclass, OUT tracked boolean, OUT reason text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'refresh_mv_track' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.track(regclass, boolean, text) IS
    'Logs the changes of what a materialized view reads, so that its refresh knows them. Fails if that is '
    'not possible; NULL tracks all of the caller''s that allow it, and returns the reason for each that '
    'does not. With capture => ''coarse'' only that a table was written to is logged, with ''rows'' what of it has changed.';

CREATE FUNCTION refresh_mv.untrack(view regclass DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'refresh_mv_untrack' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.untrack(regclass) IS
    'Stops tracking a materialized view; NULL: all of the caller''s.';

CREATE FUNCTION refresh_mv.changes(
    view regclass, source regclass, OUT key text, OUT old_row text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'refresh_mv_changes' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.changes(regclass, regclass) IS
    'Returns the rows of a table that have changed since a tracked view was refreshed: their keys, and '
    'what they were then (NULL: not there). Fails if that is not known.';

-- The next two are in the definitions of triggers on tables.  Whoever owns a table may
-- restore these from a dump, so that everybody can name and call them.

CREATE FUNCTION refresh_mv.log_change() RETURNS trigger
AS 'MODULE_PATHNAME', 'refresh_mv_log_change' LANGUAGE C;
COMMENT ON FUNCTION refresh_mv.log_change() IS
    'The function of the triggers that track() puts on tables: logs what a statement changes. Fails if it '
    'is called otherwise.';

CREATE FUNCTION refresh_mv.unseen_row(hypertable oid) RETURNS boolean
AS 'MODULE_PATHNAME', 'refresh_mv_unseen_row' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION refresh_mv.unseen_row(oid) IS
    'The condition of the triggers that track() puts on hypertables: whether a row is changed by a '
    'statement on its chunk.';

CREATE FUNCTION refresh_mv.untold_row(member oid) RETURNS boolean
AS 'MODULE_PATHNAME', 'refresh_mv_untold_row' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION refresh_mv.untold_row(oid) IS
    'The condition of the triggers that track() puts on members of inheritance trees: whether a row is '
    'changed of which no statement on its own table tells.';

CREATE VIEW refresh_mv.readers AS
SELECT view, relation, layout FROM refresh_mv.tracked JOIN refresh_mv.sources USING (relation)
UNION ALL
SELECT DISTINCT view, view, 0 FROM refresh_mv.tracked;
COMMENT ON VIEW refresh_mv.readers IS
    'Which tracked view reads the log entries of which relation: those of its sources, and those about itself.';

CREATE VIEW refresh_mv.unread AS
SELECT r.view, l.relation, l.seq, l.layout, l.nested, l.records, l.data, l.at,
       CASE WHEN l.data IS NULL OR l.layout <> r.layout THEN pg_catalog.concat(
                CASE WHEN l.data IS NULL THEN coalesce(l.reason, 'something has changed')
                     ELSE 'other columns are logged now' END,
                (SELECT ' (' || c.relname || ')' FROM pg_catalog.pg_class c
                 WHERE c.oid = l.relation AND l.relation <> r.view)) END AS reason,
       CASE WHEN l.xid = s.own_xid THEN l.seq >= s.own_seq
            ELSE NOT pg_catalog.pg_visible_in_snapshot(l.xid, s.snapshot) END AS is_new
FROM refresh_mv.readers r
JOIN refresh_mv.state s USING (view)
JOIN refresh_mv.log l ON l.relation = r.relation AND l.seq >= s.floor_seq
WHERE s.snapshot IS NOT NULL
  -- not the view's own merges, nor that the baseline of a view below is lost
  AND CASE WHEN r.relation = r.view THEN l.data IS NULL ELSE l.layout <> -1 END;
COMMENT ON VIEW refresh_mv.unread IS
    'The log entries that the next refresh of each tracked view has to look at, and whether its last one '
    'had seen them.';

CREATE FUNCTION refresh_mv_internal.fingerprint(member oid) RETURNS text
AS 'MODULE_PATHNAME', 'refresh_mv_fingerprint' LANGUAGE C STRICT STABLE;
COMMENT ON FUNCTION refresh_mv_internal.fingerprint(oid) IS
    'Returns what the triggers of this extension on a table look like now; refresh_mv.members has what '
    'they were installed as.';

CREATE VIEW refresh_mv.pending AS
SELECT t.view, t.since,
       CASE WHEN s.snapshot IS NULL THEN 'the view has not been refreshed since it is tracked'
            ELSE coalesce(d.reason, l.reason, c.reason) END AS reason,
       CASE WHEN s.snapshot IS NOT NULL AND d.reason IS NULL AND l.reason IS NULL AND c.reason IS NULL
            THEN coalesce(l.records, 0) END AS pending,
       s.as_of, s.snapshot IS NOT NULL AND c.reason IS NULL AS baseline, l.oldest
FROM (SELECT view, min(since) AS since FROM refresh_mv.tracked GROUP BY view
      UNION ALL
      -- tracked views that read no table
      SELECT view, merged_at FROM refresh_mv.state
      WHERE snapshot IS NOT NULL AND view NOT IN (SELECT view FROM refresh_mv.tracked)) t
LEFT JOIN refresh_mv.state s USING (view)
-- A baseline of what is done so far (tracking/baseline.hpp).
CROSS JOIN LATERAL (SELECT CASE WHEN s.kept LIKE 'chunks %' THEN 'a refresh of it in chunks has not ended' END AS reason) c
LEFT JOIN (SELECT u.view, sum(u.records)::bigint AS records, min(u.reason) AS reason, min(u.at) AS oldest
           FROM refresh_mv.unread u WHERE u.is_new GROUP BY u.view) l USING (view)
LEFT JOIN (SELECT DISTINCT r.view, 'triggers are not as they were installed' AS reason
           FROM refresh_mv.tracked r JOIN refresh_mv.members m USING (relation)
           WHERE m.fingerprint <> refresh_mv_internal.fingerprint(m.member)) d USING (view);
COMMENT ON VIEW refresh_mv.pending IS
    'How many logged changes each tracked view has not seen, or why they are not known; and as of what time it is, if it '
    'goes by the time.';

-- ----------------------------------------------------------------- inspection

-- What each materialized view reads: tables and materialized views, also
-- through ordinary views and through functions whose bodies are known to
-- pg_depend.
CREATE VIEW refresh_mv.dependencies AS
WITH RECURSIVE uses AS (
    -- what a relation's rule reads
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS class, r.ev_class AS object,
           d.refclassid AS used_class, d.refobjid AS used
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
    WHERE d.refclassid IN ('pg_catalog.pg_class'::pg_catalog.regclass,
                           'pg_catalog.pg_proc'::pg_catalog.regclass)
      AND r.ev_type = '1'
    UNION ALL
    -- what a function's body reads
    SELECT d.classid, d.objid, d.refclassid, d.refobjid
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      AND d.refclassid IN ('pg_catalog.pg_class'::pg_catalog.regclass,
                           'pg_catalog.pg_proc'::pg_catalog.regclass)
), reach AS (
    SELECT c.oid AS view, u.used_class, u.used
    FROM pg_catalog.pg_class c
    JOIN uses u ON u.class = 'pg_catalog.pg_class'::pg_catalog.regclass AND u.object = c.oid
    WHERE c.relkind = 'm'
    UNION
    SELECT r.view, u.used_class, u.used
    FROM reach r
    JOIN uses u ON u.class = r.used_class AND u.object = r.used
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                      WHERE c.oid = r.used AND c.relkind = 'm'
                        AND r.used_class = 'pg_catalog.pg_class'::pg_catalog.regclass)
)
SELECT DISTINCT r.view::pg_catalog.regclass AS view, c.oid::pg_catalog.regclass AS depends_on,
       CASE c.relkind WHEN 'm' THEN 'materialized view' WHEN 'p' THEN 'partitioned table'
                      WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind
FROM reach r
JOIN pg_catalog.pg_class c
  ON r.used_class = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = r.used
WHERE c.relkind IN ('r', 'p', 'f', 'm') AND c.oid <> r.view;
GRANT SELECT ON refresh_mv.dependencies TO PUBLIC;
COMMENT ON VIEW refresh_mv.dependencies IS
    'What each materialized view reads: tables and materialized views.';

CREATE VIEW refresh_mv.unfinished WITH (security_barrier) AS
SELECT c.oid AS view, p.began, p.last_chunk_at, p.size AS chunk, p.chunks, p.done_from,
       p.only_nulls AS only_nulls_left, p.inexact IS NULL AS takes_changes
FROM refresh_mv.chunks p JOIN pg_catalog.pg_class c ON c.oid = p.view AND c.relkind = 'm'
WHERE pg_catalog.has_table_privilege(c.oid, 'SELECT');
GRANT SELECT ON refresh_mv.unfinished TO PUBLIC;
COMMENT ON VIEW refresh_mv.unfinished IS
    'Full refreshes in chunks that have not ended, of views that the caller may read: since when, how many chunks are done and '
    'from which value on.';

-- Errors may quote data, so their texts are for those who have the rights of
-- the view's owner; the rest is for those who may read the view.
CREATE VIEW refresh_mv.history WITH (security_barrier) AS
SELECT j.run, pg_catalog.format('%I.%I', j.view_schema, j.view_name) AS view,
       j.mode, j.method,
       CASE WHEN j.success OR o.owned THEN j.reason END AS reason,
       j.started, j.duration, j.rows_inserted, j.rows_updated, j.rows_deleted, j.rows_unchanged,
       j.snapshot_time, j.success, j.sqlstate,
       CASE WHEN o.owned THEN j.message END AS message,
       j.role, j.source, j.lag
FROM refresh_mv.journal j
LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
  ON n.nspname = j.view_schema AND c.relname = j.view_name AND c.relkind = 'm'
CROSS JOIN LATERAL (
    SELECT coalesce(pg_catalog.pg_has_role(c.relowner, 'USAGE'),
                    (SELECT rolsuper FROM pg_catalog.pg_roles
                     WHERE rolname = current_user)) AS owned) o
WHERE o.owned OR pg_catalog.has_table_privilege(c.oid, 'SELECT')
   OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
GRANT SELECT ON refresh_mv.history TO PUBLIC;
COMMENT ON VIEW refresh_mv.history IS
    'What each run did to each view. Shows those that the caller may read, and the texts of errors to the '
    'owner of the view.';

-- The comparisons of rows come to those of equality, and have the planner read the index on views and ids backwards: by
-- equality it would take the one on ids alone, and read what other views have done since.
CREATE VIEW refresh_mv.last_runs WITH (security_barrier) AS
SELECT c.oid::pg_catalog.regclass AS view, j.number, j.run, j.mode, j.method,
       CASE WHEN j.success OR o.owned THEN j.reason END AS reason,
       j.started, j.duration, j.rows_inserted + j.rows_updated + j.rows_deleted AS rows_written, j.lag, j.success, j.sqlstate,
       CASE WHEN o.owned THEN j.message END AS message
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT l.*, pg_catalog.row_number() OVER (ORDER BY l.id DESC) AS number
    FROM (SELECT * FROM refresh_mv.journal h
          WHERE (h.view_schema, h.view_name) >= (n.nspname::text COLLATE "default", c.relname::text COLLATE "default")
            AND (h.view_schema, h.view_name) <= (n.nspname::text COLLATE "default", c.relname::text COLLATE "default")
          ORDER BY h.view_schema DESC, h.view_name DESC, h.id DESC LIMIT 40) l) j
CROSS JOIN LATERAL (SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned) o
WHERE c.relkind = 'm'
  AND (o.owned OR pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'));
GRANT SELECT ON refresh_mv.last_runs TO PUBLIC;
COMMENT ON VIEW refresh_mv.last_runs IS
    'The last 40 rows of the history of each materialized view, numbered from the last one: quick, however long the history '
    'is. Shows what refresh_mv.history does.';

-- The journal summed up by view.  A run that left the view alone is neither a
-- success nor a failure.
CREATE VIEW refresh_mv.outcomes AS
WITH latest AS (
    SELECT view_schema, view_name,
           max(id) FILTER (WHERE success AND method <> 'none') AS success,
           max(id) FILTER (WHERE NOT success) AS failure,
           pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY duration)
               FILTER (WHERE success AND method <> 'none') AS median_duration,
           pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY lag)
               FILTER (WHERE started > now() - interval '1 day') AS lag_p50,
           pg_catalog.percentile_cont(0.99) WITHIN GROUP (ORDER BY lag)
               FILTER (WHERE started > now() - interval '1 day') AS lag_p99,
           pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY duration)
               FILTER (WHERE success AND method NOT IN ('none', 'skip')) AS usual_duration
    FROM refresh_mv.journal
    GROUP BY view_schema, view_name
)
SELECT l.view_schema, l.view_name, l.median_duration, l.lag_p50, l.lag_p99, l.usual_duration,
       s.started AS last_success, s.method AS last_method, s.duration AS last_duration,
       (SELECT count(*)::integer FROM refresh_mv.journal j
        WHERE j.view_schema = l.view_schema AND j.view_name = l.view_name
          AND NOT j.success AND j.id > coalesce(l.success, 0)) AS consecutive_failures,
       CASE WHEN l.failure > coalesce(l.success, 0) THEN f.message END AS last_error
FROM latest l
LEFT JOIN refresh_mv.journal s ON s.id = l.success
LEFT JOIN refresh_mv.journal f ON f.id = l.failure;
COMMENT ON VIEW refresh_mv.outcomes IS
    'The history of each view, summed up: its last success, the failures since, the median duration, the lag of the last '
    'day.';

-- By view: each role's runs have views of their own.
CREATE VIEW refresh_mv.run_intervals AS
SELECT s.view_schema, s.view_name, (
    SELECT pg_catalog.percentile_disc(0.9) WITHIN GROUP (ORDER BY g.gap)
    FROM (SELECT r.started - lag(r.started) OVER (ORDER BY r.started) AS gap
          FROM (SELECT j.started FROM refresh_mv.journal j
                WHERE j.view_schema = s.view_schema AND j.view_name = s.view_name AND j.source = 'procedure'
                ORDER BY j.id DESC LIMIT 21) r) g
    WHERE g.gap IS NOT NULL) AS gap
FROM refresh_mv.settings s WHERE s.max_lag IS NOT NULL;
COMMENT ON VIEW refresh_mv.run_intervals IS
    'For each view with a max_lag the time from one call of refresh_mv.run() to the next, by the last ones: nine of ten '
    'times it was not longer.';

CREATE FUNCTION refresh_mv.data_through(view regclass) RETURNS date
AS 'MODULE_PATHNAME', 'refresh_mv_data_through' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION refresh_mv.data_through(regclass) IS
    'Returns the newest date in a materialized view, by the date column that it is refreshed by; NULL if '
    'it has none, or may not or cannot be read now.';

CREATE FUNCTION refresh_mv.data_through(view regclass, date_column text) RETURNS date
AS 'MODULE_PATHNAME', 'refresh_mv_newest_date' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION refresh_mv.data_through(regclass, text) IS
    'Returns the newest date in a materialized view, by one of its date columns; NULL if it cannot be '
    'refreshed by that, or may not or cannot be read now.';

CREATE FUNCTION refresh_mv_internal.total_size(view regclass) RETURNS bigint
AS 'MODULE_PATHNAME', 'refresh_mv_total_size' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION refresh_mv_internal.total_size(regclass) IS
    'Returns the bytes of a view with its indexes; NULL while somebody has it locked.';

CREATE VIEW refresh_mv.freshness AS
SELECT f.view_name, f.last_data_date, current_date - f.last_data_date AS days_behind
FROM (SELECT c.oid::pg_catalog.regclass::text AS view_name,
             CASE c.relkind WHEN 'm' THEN refresh_mv.data_through(c.oid) END AS last_data_date
      FROM pg_catalog.pg_class c WHERE c.relkind = 'm') f;
GRANT SELECT ON refresh_mv.freshness TO PUBLIC;
COMMENT ON VIEW refresh_mv.freshness IS
    'The newest date in each materialized view, and how many days ago that is.';

-- A trust counts as store/trusted_functions.hpp has it.
CREATE VIEW refresh_mv.trusting AS
SELECT u.view, pg_catalog.array_agg(u.objid::pg_catalog.regprocedure::text ORDER BY i.identity) AS functions
FROM refresh_mv.uses u
JOIN pg_catalog.pg_proc p ON p.oid = u.objid
JOIN pg_catalog.pg_class c ON c.oid = u.view
CROSS JOIN LATERAL pg_catalog.pg_identify_object(u.classid, u.objid, 0) i
WHERE u.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND (p.prokind = 'a' OR p.provolatile <> 'i')
  AND EXISTS (SELECT FROM refresh_mv.trusted t JOIN pg_catalog.pg_roles r ON r.rolname = t.trusted_by
              WHERE t.function = i.identity AND (pg_catalog.pg_has_role(r.oid, p.proowner, 'USAGE')
                                                 OR pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')))
GROUP BY u.view;
COMMENT ON VIEW refresh_mv.trusting IS
    'The functions on which each tracked view relies because they are trusted.';

-- One row per materialized view.  What cannot be known is null: whether an
-- untracked view is stale, for one.
CREATE VIEW refresh_mv.status WITH (security_barrier) AS
SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_get_userbyid(c.relowner) AS owner,
       c.relispopulated AS populated,
       CASE WHEN r.readable THEN coalesce(s.tracked, false) END AS tracked,
       CASE WHEN r.readable AND s.tracked THEN t.since END AS tracked_since,
       o.last_success, o.last_method, o.last_duration, o.median_duration,
       CASE WHEN r.readable THEN t.pending END AS pending_changes,
       CASE WHEN NOT c.relispopulated THEN true
            WHEN r.readable AND s.tracked AND t.reason IS NULL AND (t.pending > 0 OR t.as_of IS NULL OR t.as_of = now())
            THEN t.pending > 0 END AS stale,
       CASE WHEN r.readable AND s.tracked THEN
            CASE WHEN t.view IS NULL THEN 'changes are not logged yet' ELSE t.reason END
       END AS unknown_reason,
       d.data_through, current_date - d.data_through AS days_behind,
       CASE WHEN r.readable THEN s.enabled IS NOT FALSE END AS enabled,
       CASE WHEN r.readable THEN s.keep_before END AS keep_before,
       CASE WHEN r.readable THEN coalesce(o.consecutive_failures, 0) END AS consecutive_failures,
       CASE WHEN r.owned THEN o.last_error END AS last_error,
       c.reltuples::bigint AS row_estimate,
       refresh_mv_internal.total_size(c.oid) AS total_bytes,
       CASE WHEN r.readable AND s.tracked THEN f.functions END AS trusted_functions,
       CASE WHEN NOT c.relispopulated OR NOT r.readable THEN NULL
            WHEN s.tracked AND t.baseline AND t.oldest IS NOT NULL
            THEN greatest(clock_timestamp() - least(t.oldest, t.as_of), interval '0')
            WHEN s.tracked AND t.baseline AND t.reason IS NULL
            THEN CASE WHEN t.as_of IS NULL OR t.as_of = now() THEN interval '0' ELSE now() - t.as_of END
            ELSE clock_timestamp() - o.last_success END AS lag,
       o.lag_p50, o.lag_p99,
       CASE WHEN r.readable THEN s.max_lag END AS max_lag,
       CASE WHEN r.readable AND s.max_lag IS NOT NULL
            THEN s.on_commit OR (s.enabled AND i.gap + coalesce(o.usual_duration, interval '0') <= s.max_lag)
       END AS max_lag_possible,
       CASE WHEN r.readable AND s.tracked THEN CASE WHEN s.coarse THEN 'coarse' ELSE 'rows' END END AS capture
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN refresh_mv.settings s ON s.view_schema = n.nspname AND s.view_name = c.relname
CROSS JOIN LATERAL (
    SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
           pg_catalog.pg_has_role(c.relowner, 'USAGE')
           OR pg_catalog.has_table_privilege(c.oid, 'SELECT')
           OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS readable) r
CROSS JOIN LATERAL (
    SELECT CASE c.relkind WHEN 'm' THEN refresh_mv.data_through(c.oid) END AS data_through) d
LEFT JOIN refresh_mv.pending t ON t.view = c.oid
LEFT JOIN refresh_mv.trusting f ON f.view = c.oid
LEFT JOIN refresh_mv.run_intervals i ON i.view_schema = n.nspname AND i.view_name = c.relname
LEFT JOIN refresh_mv.outcomes o
  ON r.readable AND o.view_schema = n.nspname AND o.view_name = c.relname
WHERE c.relkind = 'm';
GRANT SELECT ON refresh_mv.status TO PUBLIC;
COMMENT ON VIEW refresh_mv.status IS
    'The state of each materialized view. What is not known, or not for the caller, is NULL.';

-- The number of views is not known to the planner where catalogs are not analyzed: nested
-- loops would take its square in time. (Costs that stand for "never" would have it compile.)
CREATE FUNCTION refresh_mv.graph() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
AS $$
    WITH edges AS MATERIALIZED (
        SELECT d.view, d.depends_on FROM refresh_mv.dependencies d
    ), nodes AS (
        SELECT e.view AS node FROM edges e
        UNION SELECT e.depends_on FROM edges e
        UNION SELECT c.oid::regclass FROM pg_class c WHERE c.relkind = 'm'
    ), named AS (
        SELECT n.node, c.relkind, replace(n.node::text, '"', '#quot;') AS name,
               row_number() OVER (ORDER BY n.node::text COLLATE "C") AS number,
               concat_ws(', ', coalesce(s.last_method, 'never refreshed'),
                         CASE WHEN NOT s.populated THEN 'not populated' END,
                         CASE WHEN NOT s.enabled THEN 'disabled' END,
                         CASE WHEN s.consecutive_failures > 0
                              THEN s.consecutive_failures || ' failures' END) AS state
        FROM nodes n
        JOIN pg_class c ON c.oid = n.node
        JOIN pg_namespace ns ON ns.oid = c.relnamespace
        LEFT JOIN refresh_mv.status s ON s.schema = ns.nspname AND s.name = c.relname
    )
    SELECT concat_ws(E'\n', 'graph LR',
        (SELECT string_agg(CASE relkind
             WHEN 'm' THEN format('    n%s["%s<br/>%s"]', number, name, state)
             ELSE format('    n%s[("%s")]', number, name) END, E'\n' ORDER BY number)
         FROM named),
        (SELECT string_agg(format('    n%s --> n%s', s.number, v.number), E'\n'
                           ORDER BY s.number, v.number)
         FROM edges e
         JOIN named s ON s.node = e.depends_on
         JOIN named v ON v.node = e.view))
$$;
COMMENT ON FUNCTION refresh_mv.graph() IS
    'Returns the materialized views and what they read, as the text of a Mermaid graph.';

-- Settings that its texts do not depend on the session; and it is not to wait for whoever has a view locked.
CREATE FUNCTION refresh_mv.report(explain_for interval DEFAULT '2 seconds') RETURNS text
AS 'MODULE_PATHNAME', 'refresh_mv_report' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET lock_timeout = '100ms' SET jit = off;
COMMENT ON FUNCTION refresh_mv.report(interval) IS
    'Returns a page of HTML, in one file, that shows the materialized views: what reads what, how fresh each is, its last '
    'runs, failures with remedies, and what explain() advises as far as that is found in the time given (NULL: none). Shows what '
    'the caller may see.';

CREATE FUNCTION refresh_mv_internal.live_support(internal) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_live_support' LANGUAGE C STRICT;
COMMENT ON FUNCTION refresh_mv_internal.live_support(internal) IS
    'Tells the planner how many rows live() returns, and locks what it reads as other queries do.';

CREATE FUNCTION refresh_mv.live(view anyelement, fallback boolean DEFAULT false) RETURNS SETOF anyelement
AS 'MODULE_PATHNAME', 'refresh_mv_live' LANGUAGE C STABLE PARALLEL UNSAFE
COST 10000 ROWS 1000 SUPPORT refresh_mv_internal.live_support;
COMMENT ON FUNCTION refresh_mv.live(anyelement, boolean) IS
    'Returns the rows of a tracked materialized view as of now, given as NULL::view: those that it holds, with what the '
    'changes since its last refresh make different. Writes nothing. Where they do not tell that, fails, or with fallback '
    'runs the view''s query. SELECT on the view suffices.';

CREATE FUNCTION refresh_mv.create_live_view(view regclass, name text, fallback boolean DEFAULT false) RETURNS regclass
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts  text[] := parse_ident(name);
    target text;
    mv     record;
    reader record;
BEGIN
    SELECT c.oid, c.relname, c.relkind, c.relowner, n.nspname, c.relacl INTO mv
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = view;
    IF mv.relkind IS DISTINCT FROM 'm' THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
            MESSAGE = format('"%s" is not a materialized view', coalesce(mv.relname, view::text)),
            HINT = 'Name a materialized view.';
    END IF;
    IF cardinality(parts) > 2 OR fallback IS NULL OR parts IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name',
            MESSAGE = 'the name of a live view consists of its name, or of a schema and its name',
            HINT = 'Without a schema it is made beside the materialized view.';
    END IF;
    target := format('%I.%I', CASE WHEN cardinality(parts) = 2 THEN parts[1] ELSE mv.nspname END, parts[cardinality(parts)]);
    EXECUTE format('CREATE VIEW %s AS SELECT %s FROM refresh_mv.live(NULL::%I.%I%s) l', target,
                   (SELECT string_agg(format('l.%I', a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
                    WHERE a.attrelid = view AND a.attnum > 0 AND NOT a.attisdropped),
                   mv.nspname, mv.relname, CASE WHEN fallback THEN ', true' ELSE '' END);
    EXECUTE format('COMMENT ON VIEW %s IS %L', target,
                   format('%I.%I as of now, by refresh_mv.live()', mv.nspname, mv.relname));
    -- Whoever reads it needs SELECT on the materialized view, too: who has that gets the other.
    IF pg_has_role(mv.relowner, 'USAGE') THEN
        FOR reader IN SELECT DISTINCT grantee FROM aclexplode(mv.relacl)
                      WHERE privilege_type = 'SELECT' AND grantee <> mv.relowner LOOP
            EXECUTE format('GRANT SELECT ON %s TO %s', target,
                           CASE WHEN reader.grantee = 0 THEN 'PUBLIC' ELSE reader.grantee::regrole::text END);
        END LOOP;
    END IF;
    RETURN target::regclass;
END
$$;
COMMENT ON FUNCTION refresh_mv.create_live_view(regclass, text, boolean) IS
    'Creates an ordinary view that shows a materialized view as of now, as live() does, and grants SELECT on it to those '
    'who have that on the materialized view. Without a schema in its name it is made beside that.';

CREATE FUNCTION refresh_mv.explain(
    view regclass, verbose boolean DEFAULT false,
    OUT method text, OUT possible boolean, OUT chosen boolean, OUT cost double precision,
    OUT expected_ms double precision, OUT last_ms double precision, OUT reason text, OUT advice text, OUT details text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'refresh_mv_explain' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.explain(regclass, boolean) IS
    'Returns for each method whether a materialized view could be refreshed by it now, what that would '
    'cost by the planner''s estimates, how many milliseconds that is expected to take by what refreshes of '
    'the view have taken, and what the last one took, why, and what would help. Fails for those who may not read the '
    'view.';

CREATE FUNCTION refresh_mv.remedies(view regclass, OUT statement text, OUT reason text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'refresh_mv_remedies' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.remedies(regclass) IS
    'Returns the advice of explain() line by line: statements to run, each once, and what they bring. '
    'Fails for those who may not read the view.';

CREATE FUNCTION refresh_mv.verify(
    view regclass, repair boolean DEFAULT false,
    OUT view_name regclass, OUT verdict text, OUT missing bigint, OUT extra bigint,
    OUT missing_sample text[], OUT extra_sample text[],
    OUT pending_changes bigint, OUT repaired boolean, OUT remark text)
AS 'MODULE_PATHNAME', 'refresh_mv_verify' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_mv.verify(regclass, boolean) IS
    'Compares a materialized view with its query, byte for byte. Returns the verdict, how many rows are '
    'missing and extra, and some of these; with repair the view is then refreshed in full unless it is '
    'correct. Fails for those who may not refresh the view.';

CREATE PROCEDURE refresh_mv.verify_all()
AS 'MODULE_PATHNAME', 'refresh_mv_verify_all' LANGUAGE C;
COMMENT ON PROCEDURE refresh_mv.verify_all() IS
    'Verifies all materialized views that the caller may refresh, a transaction each. Fails at the end if '
    'one is wrong or different.';

-- ----------------------------------------------------------------- scheduling

CREATE FUNCTION refresh_mv_internal.require_cron() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RAISE EXCEPTION 'pg_cron is not installed in database "%"', current_database()
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  -- the name quoted for the shell
                  HINT = format('Install it, or let the system''s cron run: '
                                '*/15 * * * * psql -X -d ''%s'' -c "CALL refresh_mv.run()"',
                                replace(current_database(), $q$'$q$, $q$'\''$q$));
    END IF;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.require_cron() IS
    'Fails unless pg_cron can run jobs in this database.';

CREATE FUNCTION refresh_mv_internal.schedule(smart text, "full" text) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
BEGIN
    FOR job IN VALUES ('refresh_mv smart', smart, 'CALL refresh_mv.run(''smart'')'),
                      ('refresh_mv full', "full", 'CALL refresh_mv.run(''full'')') LOOP
        IF job.column2 IS NULL THEN
            PERFORM cron.unschedule(j.jobid) FROM cron.job j
            WHERE j.jobname = job.column1 AND j.username = current_user
              AND j.database = current_database();
        ELSE
            PERFORM cron.schedule(job.column1, job.column2, job.column3);
            RETURN NEXT format('%s: %s %s', job.column1, job.column2, job.column3);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.schedule(text, text) IS
    'What refresh_mv.schedule() does where there is pg_cron.';

CREATE FUNCTION refresh_mv.schedule(smart text DEFAULT '*/15 * * * *', "full" text DEFAULT '0 2 * * *')
RETURNS SETOF text
LANGUAGE sql
BEGIN ATOMIC
    SELECT refresh_mv_internal.require_cron();
    SELECT s.job FROM refresh_mv_internal.schedule(smart, "full") s (job);
END;
COMMENT ON FUNCTION refresh_mv.schedule(text, text) IS
    'Creates or updates the caller''s pg_cron jobs that refresh this database, NULL removes one; '
    'schedules are those of cron. Returns the jobs. Fails without pg_cron.';

CREATE FUNCTION refresh_mv_internal.unschedule() RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    removed integer;
BEGIN
    SELECT count(cron.unschedule(j.jobid)) INTO removed FROM cron.job j
    WHERE j.jobname IN ('refresh_mv smart', 'refresh_mv full')
      AND j.username = current_user AND j.database = current_database();
    RETURN removed;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.unschedule() IS
    'What refresh_mv.unschedule() does where there is pg_cron.';

CREATE FUNCTION refresh_mv.unschedule() RETURNS integer
LANGUAGE sql
BEGIN ATOMIC
    SELECT refresh_mv_internal.require_cron();
    SELECT refresh_mv_internal.unschedule();
END;
COMMENT ON FUNCTION refresh_mv.unschedule() IS
    'Removes the caller''s jobs made by refresh_mv.schedule(). Returns how many. Fails without pg_cron.';

CREATE FUNCTION refresh_mv_internal.current_schedule() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found text;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        EXECUTE $q$SELECT j.schedule FROM cron.job j
                   WHERE j.jobname = 'refresh_mv smart' AND j.active
                     AND j.username = current_user AND j.database = current_database()$q$ INTO found;
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.current_schedule() IS
    'Returns the schedule of the caller''s smart job in this database; NULL if there is none.';

-- A schedule by what the scheduled runs of the last week found, if these were enough to
-- judge by: more often if nearly all had something to do and took little of the time
-- between them, less often if few had, or if they take long.  current: the one that they
-- seem to follow.
CREATE FUNCTION refresh_mv_internal.better_schedule(
    OUT runs bigint, OUT current text, OUT smart text, OUT nightly boolean, OUT reason text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH runs AS (
        SELECT h.run, min(h.started) AS started, sum(extract(epoch FROM h.duration)) AS seconds,
               bool_or(h.method <> 'skip') AS busy
        FROM refresh_mv.history h
        WHERE h.source = 'procedure' AND h.mode = 'smart' AND h.started > now() - interval '7 days'
        GROUP BY h.run
    ), gaps AS (
        SELECT *, extract(epoch FROM started - lag(started) OVER (ORDER BY started)) AS gap FROM runs
    ), observed AS (
        SELECT count(*) AS runs, avg(busy::int) AS busy,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS gap,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS seconds
        FROM gaps
    ), wanted AS (
        SELECT *, CASE WHEN runs < 20 THEN 900
                       WHEN seconds > gap / 2 THEN gap * 4
                       WHEN busy < 0.1 THEN gap * 4
                       WHEN busy > 0.9 AND seconds < gap / 20 THEN gap / 3
                       ELSE gap END AS seconds_between
        FROM observed
    ), schedules (below, schedule) AS (
        VALUES (150, '* * * * *'), (600, '*/5 * * * *'), (1350, '*/15 * * * *'), (2700, '*/30 * * * *'),
               (7200, '0 * * * *'), (43200, '0 */4 * * *'), (1e9, '0 3 * * *')
    )
    SELECT runs, (SELECT s.schedule FROM schedules s WHERE gap < s.below ORDER BY s.below LIMIT 1),
           (SELECT s.schedule FROM schedules s WHERE seconds_between < s.below ORDER BY s.below LIMIT 1),
           EXISTS (SELECT FROM refresh_mv.status s WHERE s.enabled AND NOT s.tracked),
           CASE WHEN runs = 0 THEN 'no scheduled run in the last 7 days'
                ELSE format('%s scheduled runs in the last 7 days, one in %s s, %s %% of them with something to do,'
                            ' up to %s s long',
                            runs, round(gap::numeric), round(100 * busy), ceil(seconds::numeric)) END
    FROM wanted;
END;
COMMENT ON FUNCTION refresh_mv_internal.better_schedule() IS
    'Returns the schedule that the runs of the last week call for, as cron has it, the one that they seem '
    'to follow, and why.';

-- --------------------------------------------------------------------- advice

CREATE FUNCTION refresh_mv.publications(OUT publication name, OUT owner oid, OUT remedy text)
RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH ours AS (
        SELECT c.oid, c.relnamespace FROM pg_class c
        WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'refresh_mv')
          AND c.relkind = 'r' AND c.relpersistence = 'p'
    )
    SELECT p.pubname, p.pubowner, CASE
        WHEN p.puballtables AND current_setting('server_version_num')::integer >= 190000 THEN
            format('ALTER PUBLICATION %I SET ALL TABLES EXCEPT (TABLE %s)', p.pubname,
                   (SELECT string_agg(DISTINCT e.relid::regclass::text, ', ' ORDER BY e.relid::regclass::text)
                    FROM (SELECT o.oid FROM ours o UNION
                          SELECT r.prrelid FROM pg_publication_rel r WHERE r.prpubid = p.oid) e (relid)))
        END
    FROM pg_publication p
    WHERE EXISTS (
        SELECT FROM ours o
        -- a publication of all tables lists those that it leaves out
        WHERE p.puballtables <> EXISTS (SELECT FROM pg_publication_rel r
                                        WHERE r.prpubid = p.oid AND r.prrelid = o.oid)
           OR EXISTS (SELECT FROM pg_publication_namespace n
                      WHERE n.pnpubid = p.oid AND n.pnnspid = o.relnamespace))
    ORDER BY 1
$$;
COMMENT ON FUNCTION refresh_mv.publications() IS
    'Returns the publications that the tables of this extension belong to, and the statement that takes '
    'them out where there is one, from PostgreSQL 19 on.';

-- Its text is parsed when the caller runs it, so that it must do with what he can name.
CREATE FUNCTION refresh_mv_internal.advise_on_views(OUT view regclass, OUT statement text, OUT reason text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    candidate record;
    date_column name;
    newest date;
BEGIN
    FOR candidate IN
        -- how often a view was recomputed as a whole of late, and how long that took
        WITH last_week AS (
            SELECT h.view, count(*) AS refreshes, count(*) FILTER (WHERE h.method IN ('full', 'rebuild')) AS whole,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY h.duration)
                       FILTER (WHERE h.method IN ('full', 'rebuild')) AS whole_duration
            FROM refresh_mv.history h
            WHERE h.success AND h.started > now() - interval '7 days' AND h.method <> 'none'
            GROUP BY h.view)
        SELECT c.oid::regclass AS view, format('%I.%I', s.schema, s.name) AS name, s.tracked, s.data_through,
               w.refreshes, w.whole, w.whole_duration, u.n_tup_upd, u.n_tup_hot_upd,
               c.reloptions::text LIKE '%fillfactor=%' IS TRUE AS has_fillfactor
        FROM refresh_mv.status s
        JOIN pg_namespace n ON n.nspname = s.schema
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.name AND c.relkind = 'm'
        LEFT JOIN last_week w ON w.view = format('%I.%I', s.schema, s.name)
        LEFT JOIN pg_stat_all_tables u ON u.relid = c.oid
        WHERE s.enabled AND pg_has_role(c.relowner, 'USAGE')
        ORDER BY s.schema, s.name
    LOOP
        advise_on_views.view := candidate.view;
        BEGIN
            FOR statement, reason IN SELECT r.statement, r.reason FROM refresh_mv.remedies(candidate.view) r LOOP
                IF statement LIKE 'SELECT * FROM refresh\_mv.track(%' AND candidate.whole > 0 THEN
                    reason := format('%s of its %s refreshes in the last 7 days recomputed everything, in %s ms each',
                                     candidate.whole, candidate.refreshes,
                                     round(1000 * extract(epoch FROM candidate.whole_duration)));
                END IF;
                RETURN NEXT;
            END LOOP;
            -- Where the data are old by the date column in use, they may not be by another.
            FOR date_column IN SELECT a.attname FROM pg_attribute a
                               WHERE NOT candidate.tracked AND (candidate.data_through >= current_date - 1) IS NOT TRUE
                                 AND a.attrelid = candidate.view AND a.attnum > 0 AND NOT a.attisdropped
                                 AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
                               ORDER BY a.attnum LOOP
                newest := refresh_mv.data_through(candidate.view, date_column);
                IF newest BETWEEN current_date - 1 AND current_date + 1 THEN
                    statement := format('SELECT refresh_mv.configure(%L, date_column => %L)', candidate.name, date_column);
                    reason := format('its data reach to %s by this column, but to %s by the one in use:'
                                     ' smart refreshes all of them', newest, candidate.data_through);
                    RETURN NEXT;
                    EXIT;
                END IF;
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            statement := '-- it cannot be refreshed';
            reason := SQLERRM;
            RETURN NEXT;
        END;
        IF candidate.n_tup_upd >= 1000 AND candidate.n_tup_hot_upd < candidate.n_tup_upd / 2
           AND NOT candidate.has_fillfactor THEN
            statement := format('ALTER MATERIALIZED VIEW %s SET (fillfactor = 85)', candidate.name);
            reason := format('%s of %s updates of its rows found no room in their page (it shows as pages are written anew)',
                             candidate.n_tup_upd - candidate.n_tup_hot_upd, candidate.n_tup_upd);
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.advise_on_views() IS
    'Returns the statements that would make refreshes of each of the caller''s views cheaper, and why.';

CREATE FUNCTION refresh_mv_internal.advise_on_publications(OUT statement text, OUT reason text)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(p.remedy, '-- on each subscriber of ' || quote_ident(p.publication)
                              || ': CREATE EXTENSION refresh_mv'),
           format('publication %I includes the tables of refresh_mv: subscriptions cannot be made or'
                  ' refreshed where these are missing', p.publication)
    FROM refresh_mv.publications() p
    WHERE pg_has_role(p.owner, 'USAGE');
END;
COMMENT ON FUNCTION refresh_mv_internal.advise_on_publications() IS
    'Returns how to make subscriptions possible to the caller''s publications of all tables, and why.';

-- A schedule that somebody has chosen is not to be changed for want of runs.
CREATE FUNCTION refresh_mv_internal.advise_on_schedule(OUT statement text, OUT reason text)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE
               WHEN NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')
               THEN format('-- crontab: %s psql -X -d ''%s'' -c "CALL refresh_mv.run()"', b.smart,
                           translate(replace(current_database(), $q$'$q$, $q$'\''$q$), E'\n\r', '  '))
               WHEN b.nightly THEN format('SELECT refresh_mv.schedule(smart => %L)', b.smart)
               ELSE format('SELECT refresh_mv.schedule(smart => %L, "full" => NULL)', b.smart) END,
           b.reason
    FROM refresh_mv_internal.better_schedule() b
    WHERE b.smart IS DISTINCT FROM b.current AND b.smart IS DISTINCT FROM refresh_mv_internal.current_schedule()
      AND (b.runs >= 20 OR refresh_mv_internal.current_schedule() IS NULL AND b.runs = 0)
      AND EXISTS (SELECT FROM refresh_mv.status s WHERE s.enabled);
END;
COMMENT ON FUNCTION refresh_mv_internal.advise_on_schedule() IS
    'Returns the statement that makes the caller''s schedule the better one, unless it is, and why.';

CREATE FUNCTION refresh_mv.advise(OUT view regclass, OUT statement text, OUT reason text)
RETURNS SETOF record
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT v.view, v.statement, v.reason FROM refresh_mv_internal.advise_on_views() v
    UNION ALL
    SELECT NULL, p.statement, p.reason FROM refresh_mv_internal.advise_on_publications() p
    UNION ALL
    SELECT NULL, s.statement, s.reason FROM refresh_mv_internal.advise_on_schedule() s;
END;
COMMENT ON FUNCTION refresh_mv.advise() IS
    'Returns what would make refreshes of the caller''s materialized views cheaper, as statements to run, '
    'and why; view is NULL where it concerns all.';

-- --------------------------------------------------------- internal functions

-- A sum of numeric that can be added and subtracted: see src/values/numeric_sum.cpp.
CREATE FUNCTION refresh_mv_internal.exact_step(internal, numeric) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_exact_step' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.exact_combine(internal, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_exact_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.exact_serial(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'refresh_mv_exact_serial' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.exact_deserial(bytea, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_exact_deserial' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.exact_final(internal) RETURNS numeric[]
AS 'MODULE_PATHNAME', 'refresh_mv_exact_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE refresh_mv_internal.exact_sum(numeric) (
    SFUNC = refresh_mv_internal.exact_step, STYPE = internal, SSPACE = 384, FINALFUNC = refresh_mv_internal.exact_final,
    COMBINEFUNC = refresh_mv_internal.exact_combine, SERIALFUNC = refresh_mv_internal.exact_serial,
    DESERIALFUNC = refresh_mv_internal.exact_deserial, PARALLEL = SAFE
);
CREATE FUNCTION refresh_mv_internal.exact_add(numeric[], plus numeric[], minus numeric[]) RETURNS numeric[]
AS 'MODULE_PATHNAME', 'refresh_mv_exact_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.exact_total(numeric[]) RETURNS numeric
AS 'MODULE_PATHNAME', 'refresh_mv_exact_total' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.exact_average(numeric[]) RETURNS numeric
AS 'MODULE_PATHNAME', 'refresh_mv_exact_average' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.image(anyelement) RETURNS bytea
AS 'MODULE_PATHNAME', 'refresh_mv_image' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION refresh_mv_internal.image(anyelement) IS
    'Returns the bytes of a value, by which states tell apart what is equal and not the same.';
COMMENT ON FUNCTION refresh_mv_internal.exact_step(internal, numeric) IS 'For exact_sum(): adds a value.';
COMMENT ON FUNCTION refresh_mv_internal.exact_combine(internal, internal) IS 'For exact_sum(): adds another state.';
COMMENT ON FUNCTION refresh_mv_internal.exact_serial(internal) IS 'For exact_sum(): returns the state, for another process.';
COMMENT ON FUNCTION refresh_mv_internal.exact_deserial(bytea, internal) IS 'For exact_sum(): returns the state of another process.';
COMMENT ON FUNCTION refresh_mv_internal.exact_final(internal) IS 'For exact_sum(): returns the sum.';
COMMENT ON AGGREGATE refresh_mv_internal.exact_sum(numeric) IS
    'Returns a sum with all that is needed to add to it and to subtract from it.';
COMMENT ON FUNCTION refresh_mv_internal.exact_add(numeric[], numeric[], numeric[]) IS
    'Returns a sum of exact_sum() plus another and minus a third. Fails if one is none.';
COMMENT ON FUNCTION refresh_mv_internal.exact_total(numeric[]) IS
    'Returns what sum() would, by a sum of exact_sum(). Fails if it is none.';
COMMENT ON FUNCTION refresh_mv_internal.exact_average(numeric[]) IS
    'Returns what avg() would, by a sum of exact_sum(). Fails if it is none.';

-- The outermost values of a group, of which rows can be taken away: see src/values/extremes.cpp.
CREATE FUNCTION refresh_mv_internal.smallest_step(internal, anyelement) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_smallest_step' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.largest_step(internal, anyelement) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_largest_step' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.extremes_combine(internal, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_extremes_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.extremes_serial(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'refresh_mv_extremes_serial' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.extremes_deserial(bytea, internal) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_extremes_deserial' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.extremes_final(internal) RETURNS bytea
AS 'MODULE_PATHNAME', 'refresh_mv_extremes_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE refresh_mv_internal.smallest(anyelement) (
    SFUNC = refresh_mv_internal.smallest_step, STYPE = internal, SSPACE = 256,
    FINALFUNC = refresh_mv_internal.extremes_final, COMBINEFUNC = refresh_mv_internal.extremes_combine,
    SERIALFUNC = refresh_mv_internal.extremes_serial, DESERIALFUNC = refresh_mv_internal.extremes_deserial, PARALLEL = SAFE
);
CREATE AGGREGATE refresh_mv_internal.largest(anyelement) (
    SFUNC = refresh_mv_internal.largest_step, STYPE = internal, SSPACE = 256,
    FINALFUNC = refresh_mv_internal.extremes_final, COMBINEFUNC = refresh_mv_internal.extremes_combine,
    SERIALFUNC = refresh_mv_internal.extremes_serial, DESERIALFUNC = refresh_mv_internal.extremes_deserial, PARALLEL = SAFE
);
CREATE FUNCTION refresh_mv_internal.extremes_add(bytea, plus bytea, minus bytea, bytes integer) RETURNS bytea
AS 'MODULE_PATHNAME', 'refresh_mv_extremes_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.outermost(bytea, anyelement) RETURNS anyelement
AS 'MODULE_PATHNAME', 'refresh_mv_outermost' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION refresh_mv_internal.smallest_step(internal, anyelement) IS 'For smallest(): adds a value.';
COMMENT ON FUNCTION refresh_mv_internal.largest_step(internal, anyelement) IS 'For largest(): adds a value.';
COMMENT ON FUNCTION refresh_mv_internal.extremes_combine(internal, internal) IS
    'For smallest() and largest(): adds another state.';
COMMENT ON FUNCTION refresh_mv_internal.extremes_serial(internal) IS
    'For smallest() and largest(): returns the state, for another process.';
COMMENT ON FUNCTION refresh_mv_internal.extremes_deserial(bytea, internal) IS
    'For smallest() and largest(): returns the state of another process.';
COMMENT ON FUNCTION refresh_mv_internal.extremes_final(internal) IS
    'For smallest() and largest(): returns the list.';
COMMENT ON AGGREGATE refresh_mv_internal.smallest(anyelement) IS
    'Returns a list of the smallest values, with how often each is there.';
COMMENT ON AGGREGATE refresh_mv_internal.largest(anyelement) IS
    'Returns a list of the largest values, with how often each is there.';
COMMENT ON FUNCTION refresh_mv_internal.extremes_add(bytea, bytea, bytea, integer) IS
    'Returns a list of extremes plus another and minus a third, shortened to so many bytes; NULL if the outermost value '
    'is not known. Fails if one is none.';
COMMENT ON FUNCTION refresh_mv_internal.outermost(bytea, anyelement) IS
    'Returns the first value of a list of extremes of that type, or NULL. Fails if it is none.';

-- How many distinct values come and go: see src/values/net_members.cpp.
CREATE FUNCTION refresh_mv_internal.members_step(internal, anyelement, sign integer) RETURNS internal
AS 'MODULE_PATHNAME', 'refresh_mv_members_step' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.members_gained_final(internal) RETURNS bigint
AS 'MODULE_PATHNAME', 'refresh_mv_members_gained' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION refresh_mv_internal.members_lost_final(internal) RETURNS bigint
AS 'MODULE_PATHNAME', 'refresh_mv_members_lost' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE refresh_mv_internal.members_gained(anyelement, sign integer) (
    SFUNC = refresh_mv_internal.members_step, STYPE = internal, SSPACE = 256,
    FINALFUNC = refresh_mv_internal.members_gained_final, PARALLEL = SAFE
);
CREATE AGGREGATE refresh_mv_internal.members_lost(anyelement, sign integer) (
    SFUNC = refresh_mv_internal.members_step, STYPE = internal, SSPACE = 256,
    FINALFUNC = refresh_mv_internal.members_lost_final, PARALLEL = SAFE
);
COMMENT ON FUNCTION refresh_mv_internal.members_step(internal, anyelement, integer) IS
    'For members_gained() and members_lost(): adds a value with a sign.';
COMMENT ON FUNCTION refresh_mv_internal.members_gained_final(internal) IS 'For members_gained(): returns the number.';
COMMENT ON FUNCTION refresh_mv_internal.members_lost_final(internal) IS 'For members_lost(): returns the number.';
COMMENT ON AGGREGATE refresh_mv_internal.members_gained(anyelement, integer) IS
    'Returns how many distinct values have signs that add up to more than nothing.';
COMMENT ON AGGREGATE refresh_mv_internal.members_lost(anyelement, integer) IS
    'Returns how many distinct values have signs that add up to less than nothing.';

CREATE FUNCTION refresh_mv_internal.log_everything(relation oid, reason text) RETURNS void
AS 'MODULE_PATHNAME', 'refresh_mv_log_everything' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION refresh_mv_internal.log_everything(oid, text) IS
    'Logs that anything may have changed in a source, or about a tracked view.';

CREATE FUNCTION refresh_mv_internal.filled_anew(view oid, reason text) RETURNS void
AS 'MODULE_PATHNAME', 'refresh_mv_filled_anew' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION refresh_mv_internal.filled_anew(oid, text) IS
    'Tells who listens to a view, or reads its feed, that core has filled it anew.';

CREATE FUNCTION refresh_mv_internal.drop_groups(view oid) RETURNS void
AS 'MODULE_PATHNAME', 'refresh_mv_drop_groups' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION refresh_mv_internal.drop_groups(oid) IS
    'Drops the state tables of a view.';

CREATE FUNCTION refresh_mv_internal.change_rows(relation text, query text, VARIADIC parameters text[])
RETURNS void AS 'MODULE_PATHNAME', 'refresh_mv_change_rows' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION refresh_mv_internal.change_rows(text, text, text[]) IS
    'Changes rows of a table of this extension to what a query returns: the ctid of each (NULL: a new '
    'one) and its columns (none: it is deleted). Subscribers are sent nothing of it.';

CREATE FUNCTION refresh_mv_internal.guard_log() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM refresh_mv_internal.log_everything(s.relation, 'the log was changed by hand')
    FROM refresh_mv.sources s;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.guard_log() IS
    'The function of the trigger on the log: makes all changes unknown after one by hand. (This extension '
    'does not use SQL there.)';
CREATE TRIGGER guard AFTER UPDATE OR DELETE OR TRUNCATE ON refresh_mv.log
    FOR EACH STATEMENT EXECUTE FUNCTION refresh_mv_internal.guard_log();
ALTER TABLE refresh_mv.log ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION refresh_mv_internal.keep_out() RETURNS trigger
AS 'MODULE_PATHNAME', 'refresh_mv_keep_out' LANGUAGE C;
COMMENT ON FUNCTION refresh_mv_internal.keep_out() IS
    'The function of triggers on the tables of this extension: skips rows of another database that '
    'logical replication brings.';
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['settings', 'trusted', 'state', 'journal', 'names', 'feed_entries', 'sources',
                                'members', 'tracked', 'uses', 'log'] LOOP
        EXECUTE format('CREATE TRIGGER keep_out BEFORE INSERT OR UPDATE OR DELETE ON refresh_mv.%1$I'
                       ' FOR EACH ROW EXECUTE FUNCTION refresh_mv_internal.keep_out();'
                       'ALTER TABLE refresh_mv.%1$I ENABLE REPLICA TRIGGER keep_out;'
                       'ALTER TABLE refresh_mv.%1$I REPLICA IDENTITY NOTHING', name);
    END LOOP;
END
$$;

CREATE FUNCTION refresh_mv_internal.check_trust() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = NEW.trusted_by AND pg_has_role(r.oid, 'USAGE')) THEN
        RETURN NEW;
    END IF;
    RAISE WARNING 'the trust of role "%" in function % is not restored', NEW.trusted_by, NEW.function
        USING HINT = 'Call refresh_mv.trust() as that role, or restore as a role that has its rights.';
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.check_trust() IS
    'The function of the trigger on the trusted functions: whoever restores a dump cannot trust in the name of others. '
    '(This extension does not use SQL there.)';
CREATE TRIGGER check_trust BEFORE INSERT ON refresh_mv.trusted
    FOR EACH ROW EXECUTE FUNCTION refresh_mv_internal.check_trust();

CREATE FUNCTION refresh_mv_internal.warn_of_publications() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    p record;
BEGIN
    FOR p IN SELECT * FROM refresh_mv.publications() LOOP
        RAISE WARNING USING
            MESSAGE = format('publication "%s" includes the tables of extension refresh_mv', p.publication),
            DETAIL = 'None of their rows is sent, but a subscription that is made or refreshed'
                     ' fails if the subscriber does not have these tables.',
            HINT = coalesce(format('Run %s, or CREATE EXTENSION refresh_mv on the subscriber, too.', p.remedy),
                            'CREATE EXTENSION refresh_mv on the subscriber, too, or publish tables by name'
                            ' or by schema.');
    END LOOP;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.warn_of_publications() IS
    'Warns of each publication that the tables of this extension belong to.';
SELECT refresh_mv_internal.warn_of_publications();

-- ------------------------------------------------------------- event triggers

CREATE FUNCTION refresh_mv_internal.note_ddl() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'refresh_mv_note_ddl' LANGUAGE C;
COMMENT ON FUNCTION refresh_mv_internal.note_ddl() IS
    'Logs what makes the changes of a tracked view unknown, and has the triggers of its sources follow '
    'their tables.';

CREATE FUNCTION refresh_mv_internal.let_go() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'refresh_mv_let_go' LANGUAGE C;
COMMENT ON FUNCTION refresh_mv_internal.let_go() IS
    'Has the triggers that TimescaleDB has handed on to chunks go with the extension, as those do from '
    'which they were made.';

-- Settings and journal are keyed by name and follow a view whose name is not
-- the one noted.  Whatever is left under the new name belonged to no view.
-- Core's REFRESH comes after the data in a restore: the first moment to note
-- the names of views that have settings there.
CREATE FUNCTION refresh_mv_internal.follow_names() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved record;
BEGIN
    -- Wait for another session that is renaming the same, then look afresh.
    PERFORM FROM refresh_mv.names n
    JOIN pg_class c ON c.oid = n.view
    JOIN pg_event_trigger_ddl_commands() d
      ON d.objid IN (n.view, c.relnamespace) OR d.object_type = 'extension'
    FOR UPDATE OF n;

    FOR moved IN
        SELECT DISTINCT n.view, n.view_schema, n.view_name, ns.nspname, c.relname
        FROM refresh_mv.names n
        JOIN pg_class c ON c.oid = n.view AND c.relkind = 'm'
        JOIN pg_namespace ns ON ns.oid = c.relnamespace
        JOIN pg_event_trigger_ddl_commands() d
          ON d.objid IN (n.view, c.relnamespace) OR d.object_type = 'extension'
        WHERE (n.view_schema, n.view_name) IS DISTINCT FROM (ns.nspname::text, c.relname::text)
    LOOP
        PERFORM refresh_mv_internal.change_rows(t, format(
            'SELECT ctid FROM refresh_mv.%I WHERE view_schema = $1 AND view_name = $2 FOR UPDATE', t),
            moved.nspname, moved.relname) FROM unnest(ARRAY['settings', 'journal']) t;
        PERFORM refresh_mv_internal.change_rows(t, format(
            'SELECT ctid, $3 AS view_schema, $4 AS view_name FROM refresh_mv.%I'
            ' WHERE view_schema = $1 AND view_name = $2 FOR UPDATE', t),
            moved.view_schema, moved.view_name, moved.nspname, moved.relname)
        FROM unnest(ARRAY['settings', 'journal']) t;
        PERFORM refresh_mv_internal.change_rows('names',
            'SELECT ctid, $2 AS view_schema, $3 AS view_name FROM refresh_mv.names WHERE view = $1::oid FOR UPDATE',
            moved.view::text, moved.nspname, moved.relname);
    END LOOP;

    -- A function that is trusted and has got another name is another one.
    IF tg_tag IN ('ALTER FUNCTION', 'ALTER AGGREGATE', 'ALTER ROUTINE', 'ALTER SCHEMA', 'ALTER TYPE', 'ALTER DOMAIN')
       AND EXISTS (SELECT FROM refresh_mv.trusted) THEN
        PERFORM refresh_mv_internal.change_rows('trusted',
            'SELECT t.ctid FROM refresh_mv.trusted t WHERE NOT EXISTS ('
            ' SELECT FROM pg_proc p, pg_identify_object($1::regclass, p.oid, 0) i WHERE i.identity = t.function'
            ' AND strpos(t.function, p.proname) > 0) FOR UPDATE OF t', 'pg_proc');
    END IF;

    IF tg_tag = 'REFRESH MATERIALIZED VIEW' THEN
        FOR moved IN
            SELECT c.oid, s.view_schema, s.view_name
            FROM pg_event_trigger_ddl_commands() d
            JOIN pg_class c ON c.oid = d.objid
            JOIN pg_namespace ns ON ns.oid = c.relnamespace
            JOIN refresh_mv.settings s ON s.view_schema = ns.nspname AND s.view_name = c.relname
            WHERE NOT EXISTS (SELECT FROM refresh_mv.names n WHERE n.view = c.oid)
        LOOP
            PERFORM refresh_mv_internal.change_rows('names',
                'SELECT NULL::tid, $1::oid AS view, $2 AS view_schema, $3 AS view_name',
                moved.oid::text, moved.view_schema, moved.view_name);
        END LOOP;
        PERFORM refresh_mv_internal.filled_anew(c.oid, 'it was refreshed by REFRESH MATERIALIZED VIEW')
        FROM pg_event_trigger_ddl_commands() d
        JOIN pg_class c ON c.oid = d.objid
        JOIN pg_namespace ns ON ns.oid = c.relnamespace
        JOIN refresh_mv.settings s ON s.view_schema = ns.nspname AND s.view_name = c.relname
        WHERE s.notify OR s.feed_keep IS NOT NULL;
    END IF;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.follow_names() IS
    'Has settings and history follow a view that is renamed or moved.';

-- A namesake made later, perhaps by somebody else, must not inherit anything.
-- Triggers on tables stay until refresh_mv.run() or untrack() sweeps them: the
-- tables are not to be locked here.
CREATE FUNCTION refresh_mv_internal.forget_dropped() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped record;
BEGIN
    FOR dropped IN SELECT objid, schema_name, object_name FROM pg_event_trigger_dropped_objects()
                   WHERE object_type = 'materialized view' LOOP
        PERFORM refresh_mv_internal.change_rows(t, format(
            'SELECT ctid FROM refresh_mv.%I WHERE view_schema = $1 AND view_name = $2 FOR UPDATE', t),
            dropped.schema_name, dropped.object_name) FROM unnest(ARRAY['settings', 'journal']) t;
        PERFORM refresh_mv_internal.change_rows(t, format(
            'SELECT ctid FROM refresh_mv.%I WHERE view = $1::oid FOR UPDATE', t), dropped.objid::text)
        FROM unnest(ARRAY['names', 'state', 'tracked', 'uses', 'feed_entries', 'chunks']) t;
        PERFORM refresh_mv_internal.drop_groups(dropped.objid);
    END LOOP;

    FOR dropped IN SELECT object_identity FROM pg_event_trigger_dropped_objects()
                   WHERE classid = 'pg_proc'::regclass LOOP
        PERFORM refresh_mv_internal.change_rows('trusted',
            'SELECT ctid FROM refresh_mv.trusted WHERE function = $1 FOR UPDATE', dropped.object_identity);
    END LOOP;

    -- a source of views that are still there, or a partition of one
    FOR dropped IN SELECT d.objid, m.relation FROM pg_event_trigger_dropped_objects() d
                   JOIN refresh_mv.members m ON m.member = d.objid
                   WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0 LOOP
        IF dropped.objid = dropped.relation THEN
            PERFORM refresh_mv_internal.log_everything(t.view, 'a table was dropped')
            FROM refresh_mv.tracked t WHERE t.relation = dropped.objid;
            PERFORM refresh_mv_internal.change_rows('tracked',
                'SELECT ctid FROM refresh_mv.tracked WHERE relation = $1::oid FOR UPDATE', dropped.objid::text);
        ELSE
            PERFORM refresh_mv_internal.log_everything(dropped.relation, 'a partition was dropped');
            PERFORM refresh_mv_internal.change_rows('members',
                'SELECT ctid FROM refresh_mv.members WHERE member = $1::oid FOR UPDATE', dropped.objid::text);
        END IF;
    END LOOP;
EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
    -- Rows of what is gone do no harm, and are cleared away later.
    RAISE WARNING 'refresh_mv could not forget dropped objects now: %', SQLERRM;
END
$$;
COMMENT ON FUNCTION refresh_mv_internal.forget_dropped() IS
    'Removes what the extension knows of views and tables that are dropped.';

CREATE EVENT TRIGGER refresh_mv_follow_names ON ddl_command_end
    WHEN TAG IN ('ALTER MATERIALIZED VIEW', 'ALTER TABLE', 'ALTER INDEX', 'ALTER SCHEMA',
                 'ALTER EXTENSION', 'ALTER FUNCTION', 'ALTER AGGREGATE', 'ALTER ROUTINE', 'ALTER TYPE',
                 'ALTER DOMAIN', 'REFRESH MATERIALIZED VIEW')
    EXECUTE FUNCTION refresh_mv_internal.follow_names();
CREATE EVENT TRIGGER refresh_mv_note_ddl ON ddl_command_end
    EXECUTE FUNCTION refresh_mv_internal.note_ddl();
CREATE EVENT TRIGGER refresh_mv_forget_dropped ON sql_drop
    EXECUTE FUNCTION refresh_mv_internal.forget_dropped();
CREATE EVENT TRIGGER refresh_mv_let_go ON ddl_command_start WHEN TAG IN ('DROP EXTENSION')
    EXECUTE FUNCTION refresh_mv_internal.let_go();
COMMENT ON EVENT TRIGGER refresh_mv_follow_names IS
    'Has settings and history follow a view that is renamed or moved.';
COMMENT ON EVENT TRIGGER refresh_mv_note_ddl IS 'Logs what makes the changes of a tracked view unknown.';
COMMENT ON EVENT TRIGGER refresh_mv_forget_dropped IS
    'Removes what the extension knows of views and tables that are dropped.';
COMMENT ON EVENT TRIGGER refresh_mv_let_go IS
    'Has triggers on chunks of TimescaleDB go with the extension.';
ALTER EVENT TRIGGER refresh_mv_let_go ENABLE ALWAYS;
ALTER EVENT TRIGGER refresh_mv_follow_names ENABLE ALWAYS;
ALTER EVENT TRIGGER refresh_mv_note_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER refresh_mv_forget_dropped ENABLE ALWAYS;

-- --------------------------------------------------------------------- rights

-- Everybody executes, without being able to name them, what views and functions above and
-- the statements of a refresh call in his name; all else is for the owner of the schema.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA refresh_mv_internal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    refresh_mv_internal.fingerprint(oid), refresh_mv_internal.total_size(regclass),
    refresh_mv_internal.require_cron(), refresh_mv_internal.schedule(text, text),
    refresh_mv_internal.unschedule(), refresh_mv_internal.current_schedule(),
    refresh_mv_internal.better_schedule(), refresh_mv_internal.advise_on_views(),
    refresh_mv_internal.advise_on_publications(), refresh_mv_internal.advise_on_schedule(),
    refresh_mv_internal.exact_sum(numeric), refresh_mv_internal.exact_add(numeric[], numeric[], numeric[]),
    refresh_mv_internal.exact_total(numeric[]), refresh_mv_internal.exact_average(numeric[]),
    refresh_mv_internal.smallest(anyelement), refresh_mv_internal.largest(anyelement),
    refresh_mv_internal.extremes_add(bytea, bytea, bytea, integer), refresh_mv_internal.outermost(bytea, anyelement),
    refresh_mv_internal.members_gained(anyelement, integer), refresh_mv_internal.members_lost(anyelement, integer),
    refresh_mv_internal.image(anyelement)
TO PUBLIC;
GRANT EXECUTE ON PROCEDURE refresh_mv_internal.refresh_statement() TO PUBLIC;
