#!/usr/bin/python3
"""Tests how much memory refreshes take, and that none of it is kept.

What a session takes at most for one refresh of many rows, beyond what it had before, is
maintenance_work_mem and a constant: code, plans and catalog entries, and the sorts and
hash tables of the view's query in work_mem. (Shared buffers are nobody's own, and do not
count.)

A session that refreshes again and again in all ways, failing ones among them, takes
no more memory late than early. What core's caches keep of tables that are gone counts
apart: a full refresh of a view that has a state of its groups makes that anew.

Takes 20 seconds, or 20 minutes with TEST_LONG=1: 10 million rows, 10,000 refreshes.
"""
import contextlib
import dataclasses
import os
import sys
import threading
import time

import psycopg2

DATABASE = "refresh_mv_memory"
LONG = bool(os.environ.get("TEST_LONG"))
ROWS = 10000000 if LONG else 500000
CHANGES = 1000000 if LONG else 120000  # that an exact refresh is made of
REFRESHES = 10000 if LONG else 500
MB = 1024 * 1024
LIMIT = 4 * MB          # maintenance_work_mem
CONSTANT = 12 * MB      # joins of many rows have a buffer for each of many files
KEPT = 16 * 1024        # bytes that memory contexts may differ by, whatever the number of refreshes
KEPT_BY_SYSTEM = 2 * MB  # the same for what is in no context
CACHED = 4096           # bytes in core's caches for a state that is gone
SETTINGS = f"""
    SET maintenance_work_mem = '{LIMIT // MB}MB';
    SET work_mem = '1MB';
    SET jit = off;  -- that alone takes 8 MB, for any query that costs enough
    SET max_parallel_workers_per_gather = 0;
    SET refresh_mv.exact_cost_limit = 1e9;
"""
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE many (id integer PRIMARY KEY, grp integer NOT NULL, v integer NOT NULL);
    INSERT INTO many SELECT i, i / 10, i FROM generate_series(1, {ROWS}) AS i;
    CREATE MATERIALIZED VIEW narrow AS SELECT id, v FROM many;
    CREATE UNIQUE INDEX ON narrow (id);
    CREATE MATERIALIZED VIEW tracked AS SELECT id, grp, v FROM many;
    CREATE MATERIALIZED VIEW grouped AS
        SELECT grp, count(*) AS n, sum(v) AS v, max(v) AS most, count(DISTINCT v % 3) AS kinds FROM many GROUP BY grp;

    CREATE TABLE few (id integer PRIMARY KEY, grp integer NOT NULL, day date NOT NULL, v numeric);
    INSERT INTO few SELECT i, i % 20, current_date - i % 30, i % 7 / 2.0 FROM generate_series(1, 1000) AS i;
    CREATE TABLE divisor (d integer PRIMARY KEY);
    INSERT INTO divisor VALUES (1);
    CREATE MATERIALIZED VIEW few_grouped AS
        SELECT grp, count(*) AS n, sum(v) AS v, max(v) AS most, count(DISTINCT v) AS kinds FROM few GROUP BY grp;
    CREATE MATERIALIZED VIEW few_rows AS SELECT id, grp, v FROM few;
    CREATE MATERIALIZED VIEW of_view AS SELECT n, count(*) AS times FROM few_grouped GROUP BY n;
    CREATE MATERIALIZED VIEW daily AS SELECT day, sum(v) AS v FROM few GROUP BY day;
    CREATE MATERIALIZED VIEW failing AS SELECT 1 / d AS part, id FROM few, divisor;
    CREATE MATERIALIZED VIEW ranked AS SELECT id, rank() OVER (PARTITION BY grp ORDER BY v) AS place, grp FROM few;
    SELECT refresh_mv.track('few_grouped'), refresh_mv.track('few_rows'), refresh_mv.track('of_view');
    UPDATE divisor SET d = 0;
"""
CHANGE = "UPDATE few SET v = v + 1 WHERE id % 100 = 5"
SMART = "SELECT refresh_materialized_views_smart('{{{}}}')"
FULL = "SELECT refresh_materialized_views(views => '{{{}}}')"
# Ways to refresh, and to look at what a refresh would do.
WAYS = {
    "skip": [SMART.format("few_rows")],
    "delta": [CHANGE, SMART.format("few_grouped")],
    "keys": [CHANGE, SMART.format("few_rows")],
    "over a view": [CHANGE, SMART.format("few_grouped,of_view")],
    "full with a state": [FULL.format("few_grouped")],
    "full": [CHANGE, FULL.format("ranked")],
    "window": ["SELECT refresh_materialized_views(true, 2, '{daily}')"],
    "where": ["SELECT refresh_mv.refresh_where('few_grouped', 'grp = 3')"],
    "rebuild": ["REFRESH MATERIALIZED VIEW daily WITH NO DATA", FULL.format("daily")],
    "failure": [FULL.format("failing")],
    "procedure": [CHANGE, "CALL refresh_mv.run(views => '{few_grouped,few_rows,of_view}')"],
    "failure of the procedure": ["CALL refresh_mv.run(views => '{few_rows,failing}')"],
    "rolled back": ["BEGIN", CHANGE, "SAVEPOINT s", SMART.format("few_grouped"), "ROLLBACK TO s", "ROLLBACK"],
    "cancelled": [f"SET statement_timeout = '1ms'; {FULL.format('ranked,few_grouped')}; RESET statement_timeout"],
    "explain": [CHANGE, "SELECT count(*) FROM refresh_mv.explain('few_grouped')"],
    "verify": ["SELECT refresh_mv.verify('few_grouped')"],
    "changes": [CHANGE, "SELECT count(*) FROM refresh_mv.changes('few_rows', 'few')"],
    "tracking": ["SELECT refresh_mv.track('daily')", "SELECT refresh_mv.untrack('daily')"],
}
FAILING = {"failure of the procedure", "cancelled"}  # that raise an error, now and then at least
WITH_STATE = 2  # full refreshes in a round that make a state of groups, at most
CONTEXTS = "SELECT name, sum(used_bytes)::bigint FROM pg_backend_memory_contexts GROUP BY name"


@dataclasses.dataclass
class Large:
    """A refresh of many rows."""
    name: str
    before: str   # what is done by another session
    call: str
    methods: set  # by which it is to be done


LARGE = [
    Large("merge of nothing", "SELECT 1", FULL.format("narrow"), {"full"}),
    Large("merge", "UPDATE many SET v = v + 1 WHERE id % 5 < 2", FULL.format("narrow"), {"full"}),
    Large("rebuild", "UPDATE many SET v = v + 1 WHERE id % 5 < 4", FULL.format("narrow"), {"rebuild"}),
    Large("merge of inserted and deleted rows", f"DELETE FROM many WHERE id % 11 = 3;"
          f" INSERT INTO many SELECT {ROWS} + i, i, i FROM generate_series(1, {ROWS} / 11) AS i",
          FULL.format("narrow"), {"full"}),
    Large("first of a tracked view", "SELECT refresh_mv.track('tracked')", SMART.format("tracked"),
          {"full", "rebuild"}),
    Large("state of groups", "SELECT refresh_mv.track('grouped')", SMART.format("grouped"), {"full", "rebuild"}),
    Large("delta", f"UPDATE many SET v = v + 1 WHERE id <= {CHANGES}", SMART.format("grouped"), {"delta"}),
    Large("keys", "SELECT 1", SMART.format("tracked"), {"keys"}),
]


def connect(database=DATABASE):
    """A connection in autocommit."""
    connection = psycopg2.connect(dbname=database, options="-c client_min_messages=error")
    connection.autocommit = True
    return contextlib.closing(connection)


def execute(sql, database=DATABASE):
    """Runs SQL in a session of its own; returns the rows, if it returns any."""
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def own_memory(pid):
    """The bytes of memory that a process shares with nobody."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))


class Peak:
    """Watches the memory of a process."""

    def __init__(self, pid):
        self.pid = pid
        self.bytes = own_memory(pid)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        """Looks every millisecond."""
        while not self.done.wait(0.001):
            self.bytes = max(self.bytes, own_memory(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def measure(large):
    """Refreshes in a new session that has refreshed small views already; says what is wrong."""
    execute(f"SET refresh_mv.max_logged_rows = {10 * ROWS}; {large.before}")
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(SETTINGS)
        for way in ("skip", "delta", "keys", "full", "full with a state"):
            refresh(cursor, way)
        before = own_memory(connection.info.backend_pid)
        start = time.monotonic()
        with Peak(connection.info.backend_pid) as peak:
            cursor.execute(large.call)
        seconds = time.monotonic() - start
    (method, reason, rows), = execute("SELECT method, reason, rows_inserted + rows_updated + rows_deleted"
                                      " FROM refresh_mv.history ORDER BY started DESC LIMIT 1")
    grown = peak.bytes - before
    print(f"{large.name}: {method}, {rows} rows written, {grown / MB:.1f} MB, {seconds:.1f} s")
    if method not in large.methods:
        yield f"{large.name}: {method} ({reason}) instead of {' or '.join(large.methods)}"
    if grown > LIMIT + CONSTANT:
        yield f"{large.name} took {grown / MB:.1f} MB with maintenance_work_mem = {LIMIT // MB}MB"


def refresh(cursor, way):
    """Refreshes in one of the WAYS; returns whether that has failed as it may."""
    failed = False
    for statement in WAYS[way]:
        try:
            cursor.execute(statement)
        except psycopg2.Error:
            if way not in FAILING:
                raise
            failed = True
    return failed


def memory(cursor, pid):
    """What a session holds: in each kind of memory context, and in all."""
    cursor.execute(CONTEXTS)
    return dict(cursor.fetchall()), own_memory(pid)


def measure_many():
    """Refreshes in one session again and again; says what is wrong."""
    rounds = REFRESHES // len(WAYS) + 1
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(SETTINGS)
        failed = {way for _ in range(20) for way in WAYS if refresh(cursor, way)}  # caches fill up
        early, early_in_all = memory(cursor, connection.info.backend_pid)
        for _ in range(rounds):
            for way in WAYS:
                refresh(cursor, way)
        late, late_in_all = memory(cursor, connection.info.backend_pid)
    grown = {name: late[name] - early.get(name, 0) for name in late}
    cached = grown.pop("CacheMemoryContext")
    kept, in_all = sum(grown.values()), late_in_all - early_in_all
    print(f"{rounds * len(WAYS)} refreshes: contexts {kept:+} bytes, caches {cached:+}, in all {in_all:+}")
    if failed != FAILING:
        yield f"the only ways that failed were {failed}"
    if kept > KEPT:
        most = {name: more for name, more in grown.items() if more > 500}
        yield f"memory contexts have grown by {kept} bytes: {most}"
    if cached > KEPT + rounds * WITH_STATE * CACHED:
        yield f"caches have grown by {cached} bytes in {rounds} rounds"
    if in_all - cached > KEPT_BY_SYSTEM:
        yield f"the process has grown by {in_all} bytes, of which {cached} are in caches"


def check_methods():
    """The ways to refresh a small view were by all methods, failures among them."""
    used = {row[0] for row in execute("SELECT DISTINCT CASE WHEN success THEN method ELSE 'failure' END"
                                      " FROM refresh_mv.history")}
    missing = {"skip", "delta", "keys", "window", "full", "rebuild", "where", "failure"} - used
    if missing:
        yield f"there was no {', '.join(missing)}"


def main():
    """Sets up, measures."""
    execute(f"DROP DATABASE IF EXISTS {DATABASE}", "postgres")
    execute(f"CREATE DATABASE {DATABASE}", "postgres")
    execute(SETUP)
    execute("VACUUM ANALYZE")
    found = [*measure_many(), *check_methods()]
    for large in LARGE:
        found += measure(large)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
