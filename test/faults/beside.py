#!/usr/bin/python3 -B
"""Does something else to a view, its tables or the extension while a refresh is at work on it.

That is one in chunks, by several processes, or of one snapshot. It stands still in the middle of the view; a statement of
another session begins, which is done at once, or waits; then both go on. However they end, nothing hangs, there is no
deadlock but with DROP ... CASCADE, and the view can be refreshed as ever: the next refresh in chunks ends it, nothing is left of the one before, and
a change is taken from the log if the view is tracked.
"""
import os

import faulty

SETUP = """
    CREATE EXTENSION refresh_mv;
    CREATE TABLE t (id integer PRIMARY KEY, day date NOT NULL, n integer, more integer);
    INSERT INTO t SELECT i, date '2025-12-31' - i / 4, i, i FROM generate_series(0, 1459) i;
    CREATE FUNCTION pass(day date, n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF day = '2025-07-07' THEN
            PERFORM pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1);
        END IF;
        RETURN n;
    END $$;
    CREATE SCHEMA other;
    CREATE ROLE somebody;
"""
VIEW = "CREATE MATERIALIZED VIEW v AS SELECT id, day, pass(day, n) AS n FROM t"
RUN = "CALL refresh_mv.run('full', views => '{v}', chunk => '1 month', wait => true)"
MANY = "CALL refresh_mv.run('full', views => '{v,first,other.last}', wait => true, %s)"
OTHERS = """CREATE MATERIALIZED VIEW first AS SELECT count(*), sum(n) FROM t;
            CREATE MATERIALIZED VIEW other.last AS SELECT count(*), sum(n) FROM v"""
# What else is at work, and what is done then.
RUNS = {"jobs": MANY % "jobs => 2", "one snapshot": MANY % "one_snapshot => true",
        "jobs of one snapshot": MANY % "jobs => 2, one_snapshot => true"}
SOME = ("changes", "replace_query", "another column", "REFRESH", "REFRESH taken over", "smart", "the same", "another view", "on commit",
        "untrack", "rename", "set schema", "drop", "drop and create", "column", "truncate", "truncate cascade", "extension")
# What is done, by name; what puts it back in order, if that takes more than the name being v.
EVENTS = {
    "nothing": "SELECT 1",
    "changes": "UPDATE t SET n = n + 1 WHERE id % 100 = 3; DELETE FROM t WHERE id % 100 = 4",
    "replace_query": "SELECT refresh_mv.replace_query('v', 'SELECT id, day, pass(day, n) + 1 AS n FROM t')",
    "another column": "SELECT refresh_mv.replace_query('v', 'SELECT id, day, pass(day, n) AS n, more FROM t')",
    "REFRESH": "REFRESH MATERIALIZED VIEW v",
    "REFRESH taken over": "SET refresh_mv.take_over = on; REFRESH MATERIALIZED VIEW v",
    "REFRESH with no data": "REFRESH MATERIALIZED VIEW v WITH NO DATA",
    "smart": "SELECT refresh_materialized_views_smart('{v}')",
    "full": "SELECT refresh_materialized_views(views => '{v}')",
    "the same": RUN,
    "another view": "CREATE MATERIALIZED VIEW above AS SELECT count(*), sum(n) FROM v; SELECT refresh_mv.track('above'); COMMIT; "
                    "UPDATE t SET n = n + 1 WHERE id < 50; COMMIT; SELECT refresh_materialized_views_smart('{above}')",
    "track": "SELECT refresh_mv.track('v')",
    "coarse": "SELECT refresh_mv.track('v', capture => 'coarse'); UPDATE t SET n = n + 1 WHERE id % 100 = 5",
    "on commit": "SELECT refresh_mv.track('v', on_commit => true); UPDATE t SET n = n + 1 WHERE id = 5",
    "untrack": "SELECT refresh_mv.untrack('v')",
    "untrack and track": "SELECT refresh_mv.untrack('v'); SELECT refresh_mv.track('v')",
    "rename": "ALTER MATERIALIZED VIEW v RENAME TO w",
    "set schema": "ALTER MATERIALIZED VIEW v SET SCHEMA other",
    "owner": "ALTER MATERIALIZED VIEW v OWNER TO somebody",
    "drop": "DROP MATERIALIZED VIEW v CASCADE",
    "drop and create": f"DROP MATERIALIZED VIEW v CASCADE; {VIEW}",
    "unique index": "CREATE UNIQUE INDEX ON v (id)",
    "rename of the table": "ALTER TABLE t RENAME COLUMN n TO m; ALTER TABLE t RENAME TO u",
    "column": "ALTER TABLE t ADD added integer DEFAULT 7",
    "truncate": "TRUNCATE t; INSERT INTO t SELECT i, date '2025-12-31' - i / 4, i, i FROM generate_series(0, 900) i",
    "truncate cascade": "CREATE TABLE above_t (id integer PRIMARY KEY); INSERT INTO above_t SELECT id FROM t; COMMIT;"
                        "ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES above_t; TRUNCATE above_t CASCADE;"
                        "INSERT INTO above_t VALUES (1), (2); INSERT INTO t VALUES (1, '2025-12-31', 1), (2, '2025-07-07', 2)",
    "rewritten table": "VACUUM FULL t",
    "rewritten view": "VACUUM FULL v",
    "function": "CREATE OR REPLACE FUNCTION pass(day date, n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n + 100'",
    "triggers": "ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET n = n + 1; ALTER TABLE t ENABLE TRIGGER ALL",
    "configure": "SELECT refresh_mv.configure('v', keep_before => '1000 years')",
    "extension": "DROP EXTENSION refresh_mv CASCADE",
}
# What a refresh, or what is beside it, may fail with: what it needs is gone, or is not what it was.
EXPECTED = ("42P01", "42883", "55000", "40001", "3F000", "42501", "55P03", "42704")
WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
NAMES = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'm' AND c.relname IN ('v', 'w')"


def prepare(session, tracked):
    """A view that has changed in all of its rows."""
    session.execute("DROP EXTENSION IF EXISTS refresh_mv CASCADE; DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS other CASCADE;"
                    "DROP ROLE IF EXISTS somebody; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC")
    session.execute(SETUP + VIEW)
    session.execute("GRANT SELECT ON t TO somebody; GRANT ALL ON SCHEMA other TO somebody")
    if tracked:
        session.execute("SELECT refresh_mv.track('v')")
        session.execute("CALL refresh_mv.run()")
    session.execute("UPDATE t SET n = n + 1000")


def is_done_or_waits(session, task):
    """Whether a statement has ended or waits for somebody."""
    return not task.thread.is_alive() or session.execute(BLOCKED % task.session.pid)[0][0]


def end_of(task):
    """How a statement has ended, in a line."""
    return str(task.error or "ended").strip().split("\n", maxsplit=1)[0][:110]


def put_in_order(session):
    """The view is v again, and its table t; false if the view is gone."""
    session.execute("CREATE EXTENSION IF NOT EXISTS refresh_mv")
    for name, in session.execute(NAMES):
        schema, _, relation = f"public.{name}".rpartition(".")
        if schema.endswith("other"):
            session.execute(f"ALTER MATERIALIZED VIEW {name} SET SCHEMA public")
        if relation == "w":
            session.execute("ALTER MATERIALIZED VIEW w RENAME TO v")
    if session.execute("SELECT to_regclass('u') IS NOT NULL")[0][0]:
        session.execute("ALTER TABLE u RENAME TO t; ALTER TABLE t RENAME COLUMN m TO n")
    return bool(session.execute(NAMES))


def check(session, what):
    """Fails unless the view can be refreshed in chunks, and by what changes then."""
    session.execute("CALL refresh_mv.run()")  # one that is not populated, say
    session.execute("UPDATE t SET n = n + 1")
    session.execute(RUN)
    left = session.execute("SELECT * FROM refresh_mv.unfinished")
    faulty.require(not left, what, "is left:", left)
    faulty.compare(session, "v")
    (tracked,), = session.execute("SELECT count(*) FROM refresh_mv.tracked WHERE view = 'v'::regclass")
    session.execute("UPDATE t SET n = n + 1 WHERE id % 500 = 7")
    session.execute("CALL refresh_mv.run()")
    faulty.compare(session, "v")
    if tracked:
        (method,), = session.execute("SELECT method FROM refresh_mv.history WHERE view = 'public.v' ORDER BY run DESC LIMIT 1")
        faulty.require(method in ("keys", "delta", "skip") or what in ("coarse", "on commit"), what, "the change was taken by", method)
    if session.execute("SELECT to_regclass('above') IS NOT NULL")[0][0]:
        faulty.compare(session, "above")


def one_event(server, session, what, tracked, sql=RUN):
    """A refresh and something else."""
    prepare(session, tracked)
    if sql != RUN:
        session.execute(OTHERS)
    session.execute("SELECT pg_advisory_lock(1)")
    run = faulty.Task(server, sql)
    faulty.await_true(lambda: session.execute(WAITING), "the refresh is in the middle of a chunk")
    beside = faulty.Task(server, EVENTS[what])
    faulty.await_true(lambda: is_done_or_waits(session, beside), lambda: f"{what} neither ends nor waits for anybody")
    waited = beside.thread.is_alive()
    session.execute("SELECT pg_advisory_unlock(1)")
    beside.join(*EXPECTED)
    run.join(*EXPECTED)
    deadlocks = [task.sql for task in (run, beside) if "deadlock" in str(task.error)]
    cascades = "CASCADE" in EVENTS[what] and sql != RUN  # it locks one after the other, as it finds them
    faulty.require(not deadlocks or cascades, what, "leads to a deadlock, which ends", deadlocks, run.error, beside.error)
    print(f"{what}, {'tracked' if tracked else 'not tracked'}: {'waited and ' if waited else ''}{end_of(beside)}; the refresh:",
          end_of(run), flush=True)
    if tracked and what in ("nothing", "changes", "track", "another view"):
        session.execute("CALL refresh_mv.run()")
        faulty.compare(session, "v")
    if put_in_order(session):
        check(session, what)


def test(dice):
    """All of them, or, in a short run, some of those that are done beside more than one kind of refresh."""
    with faulty.Server() as server, server.session() as session:
        for what in os.environ.get("BESIDE", ",".join(EVENTS)).split(","):
            one_event(server, session, what, True)
        runs = {"chunks, not tracked": (RUN, False), **{name: (sql, True) for name, sql in RUNS.items()}}
        for name, (sql, tracked) in runs.items():
            print(f"-- {name}", flush=True)
            events = SOME if tracked else tuple(EVENTS)
            for what in events if faulty.LONG else dice.sample(events, 4):
                one_event(server, session, what, tracked, sql)
        server.check_log()


if __name__ == "__main__":
    faulty.main(test)
