#!/usr/bin/python3 -B
"""Runs whose views several processes refresh, and what can happen to these processes.

- of_results: while others write, each run leaves views that are right.
- of_one_snapshot: while others write, the views of such a run agree with each other, also
  those that read views that it has refreshed; a view that somebody else has refreshed
  meanwhile is left as it is, and fails.
- of_callers: a caller is cancelled, terminated, killed, out of time, or his client gone:
  no worker is left, what had been committed stays, and the next run works.
- of_workers: one is cancelled or terminated: the view that it was at has failed, and is
  written down as that; all others are refreshed.
- of_shortage: no worker is to be had, or fewer than asked for, or they cannot start: the
  others do it all, and the caller is told.
- of_ddl: views, or the extension, are dropped meanwhile; a view gets into a deadlock.
- of_messages: what workers say comes in the client's encoding, and too much of it stops nobody.
"""
import contextlib
import os
import random

import psycopg2

import faulty

RUNS = 40 if faulty.LONG else 4
SETUP = """
    CREATE EXTENSION refresh_mv;
    CREATE TABLE t (id integer PRIMARY KEY, n integer NOT NULL);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) i;
    CREATE FUNCTION pass(gate integer) RETURNS integer LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(gate); RETURN gate; END';
    CREATE MATERIALIZED VIEW quick AS SELECT count(*) AS n FROM t;
    CREATE MATERIALIZED VIEW slow_a AS SELECT count(*) AS n, pass(1) FROM t;
    CREATE MATERIALIZED VIEW slow_b AS SELECT count(*) AS n, pass(2) FROM t;
    CREATE MATERIALIZED VIEW slow_c AS SELECT count(*) AS n, pass(3) FROM t;
    CREATE MATERIALIZED VIEW over_slow AS SELECT n FROM slow_c;
    CREATE MATERIALIZED VIEW last AS SELECT count(*) AS n FROM t;
"""
VIEWS = ("quick", "slow_a", "slow_b", "slow_c", "over_slow", "last")
WORKERS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'refresh_mv job'"
# Who waits at a gate.
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
OUTCOMES = ("SELECT view_name, success, sqlstate FROM refresh_mv.journal"
            " WHERE run = (SELECT max(run) FROM refresh_mv.journal WHERE source = 'procedure') ORDER BY 1")


@contextlib.contextmanager
def set_up(*settings):
    """A server with the views, and a session there; at the end the server must not have complained."""
    with faulty.Server(*settings) as server, server.session() as session:
        session.execute(SETUP)
        yield server, session
        server.check_log()


@contextlib.contextmanager
def closed(server, *gates):
    """Nobody passes some gates until this ends."""
    with server.session() as session:
        for gate in gates:
            session.execute(f"SELECT pg_advisory_lock({gate})")
        yield
        with contextlib.suppress(psycopg2.OperationalError):  # the server may have been killed
            session.execute("SELECT pg_advisory_unlock_all()")


def await_rows(session, sql, count, what):
    """Waits until a query returns so many rows, and returns them."""
    faulty.await_true(lambda: len(session.execute(sql)) == count, lambda: f"{what}: {session.execute(sql)}")
    return session.execute(sql)


@contextlib.contextmanager
def at_gates(server, session, sql, *gates):
    """A call under way of which views wait at gates, which open when this ends."""
    with closed(server, *gates):
        task = faulty.Task(server, sql)
        await_rows(session, WAITING, len(gates), "views wait")
        yield task


def await_end(session):
    """Waits until no worker is left."""
    await_rows(session, WORKERS, 0, "no worker is left")


def check_all(session, sql="CALL refresh_mv.run('full', jobs => 3)"):
    """Fails unless a run goes well, and leaves nothing."""
    session.execute("UPDATE t SET n = n + 1; DELETE FROM t WHERE id = (SELECT max(id) FROM t)")
    session.execute(sql)
    faulty.require(not session.execute(WORKERS), "workers are left:", session.execute(WORKERS))
    for view in VIEWS:
        faulty.compare(session, view)
    faulty.require(len(session.execute(OUTCOMES)) == len(VIEWS), session.execute(OUTCOMES))


def of_results(dice):
    """Runs while others write."""
    with faulty.Server("max_worker_processes = 6") as server:
        faulty.set_up(server)
        for _ in range(RUNS):
            with faulty.Writers(server) as writers, server.session() as session:
                session.execute(f"CALL refresh_mv.run(jobs => {dice.randint(2, 6)})")
            faulty.check_recovery(server)
            writers.check(server)
        for _ in range(RUNS):
            snapshot = dice.choice(["true", "false"])
            with faulty.Writers(server) as writers:
                task = faulty.Task(server, f"CALL refresh_mv.run('full', jobs => 3, one_snapshot => {snapshot})")
                task.join("40001")
            faulty.check_recovery(server, "40001")  # "stock" is refreshed on commit as well
            writers.check(server)


class Mover(faulty.Background):
    """A session that moves amounts between tables, until the with statement ends."""

    def __init__(self, server):
        super().__init__(1)
        self.session = server.session()

    def work(self, _):
        """The body of the thread."""
        try:
            while not self.end.is_set():
                row = random.randint(1, 50)
                self.session.execute(f"BEGIN; UPDATE one SET n = n - 1 WHERE id = {row};"
                                     f"UPDATE other SET n = n + 1 WHERE id = 51 - {row}; COMMIT")
        except psycopg2.Error as error:
            self.problems.append(error)


def of_one_snapshot(dice):
    """The views of a run agree."""
    with faulty.Server() as server, server.session() as session:
        session.execute("""
            CREATE EXTENSION refresh_mv;
            CREATE TABLE one (id integer PRIMARY KEY, n integer NOT NULL);
            CREATE TABLE other (id integer PRIMARY KEY, n integer NOT NULL);
            INSERT INTO one SELECT i, 1000 FROM generate_series(1, 50) i;
            INSERT INTO other SELECT i, 1000 FROM generate_series(1, 50) i;
            CREATE FUNCTION nap() RETURNS integer LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN 0; END';
            CREATE MATERIALIZED VIEW of_one AS SELECT sum(n) AS n FROM one;
            CREATE MATERIALIZED VIEW of_other AS SELECT sum(n) AS n FROM other;
            CREATE MATERIALIZED VIEW late AS SELECT sum(n) + nap() AS n FROM one;
            CREATE MATERIALIZED VIEW over_one AS SELECT n + nap() AS n FROM of_one;
            CREATE MATERIALIZED VIEW over_over AS SELECT n FROM over_one;
            SELECT refresh_mv.track('of_one'), refresh_mv.track('of_other')""")
        session.execute("CALL refresh_mv.run()")
        with Mover(server):
            for _ in range(RUNS):
                mode, jobs = dice.choice(["full", "smart"]), dice.choice([1, 2, 3, 4])
                session.execute(f"CALL refresh_mv.run('{mode}', jobs => {jobs}, one_snapshot => true)")
                (numbers,) = session.execute("SELECT a.n + b.n, a.n, c.n, d.n, e.n"
                                             " FROM of_one a, of_other b, late c, over_one d, over_over e")
                faulty.require(numbers[0] == 100000 and len(set(numbers[1:])) == 1, mode, jobs, numbers)
                (times,), = session.execute("SELECT count(DISTINCT snapshot_time) FROM refresh_mv.history"
                                            " WHERE run = (SELECT max(run) FROM refresh_mv.history)")
                faulty.require(times == 1, times, "snapshots")
        session.execute("CALL refresh_mv.run()")
        for view in ("of_one", "of_other", "late", "over_one", "over_over"):
            faulty.compare(session, view)


def of_newer_views(_dice):
    """A view that somebody has refreshed after the snapshot keeps what it has."""
    with set_up() as (server, session):
        sql = "CALL refresh_mv.run('full', views => '{slow_a,slow_b,last}', jobs => 2, one_snapshot => true)"
        with at_gates(server, session, sql, 1, 2) as task:
            session.execute("INSERT INTO t VALUES (1000, 1)")
            session.execute("SELECT refresh_materialized_views(views => '{last}')")
        task.join()
        faulty.require(session.execute(OUTCOMES) == [("last", False, "40001"), ("slow_a", True, None), ("slow_b", True, None)],
                       session.execute(OUTCOMES))
        faulty.require(session.execute("SELECT l.n, s.n FROM last l, slow_a s") == [(101, 100)], "one snapshot")
        check_all(session)


def end_caller(server, session, how, snapshot):
    """Ends a call in one way; returns its error."""
    options = "-c statement_timeout=1s" if how == "timeout" else ""
    task = faulty.Task(server, f"CALL refresh_mv.run('full', jobs => 3, one_snapshot => {snapshot})", options)
    await_rows(session, WAITING, 3, "three views wait")
    if how == "cancel":
        session.execute(f"SELECT pg_cancel_backend({task.session.pid})")
    elif how == "terminate":
        session.execute(f"SELECT pg_terminate_backend({task.session.pid})")
    elif how == "gone":
        session.execute(f"SELECT pg_terminate_backend({task.session.pid}, 10000)")
    task.thread.join(faulty.DEADLINE)
    return task.error


def of_callers(_dice):
    """A caller's end is that of his workers."""
    with set_up() as (server, session):
        for snapshot in ("false", "true"):
            for how in ("cancel", "timeout", "terminate", "gone"):
                with closed(server, 1, 2, 3):
                    session.execute("UPDATE t SET n = n + 1; INSERT INTO t SELECT max(id) + 1, 1 FROM t")
                    error = end_caller(server, session, how, snapshot)
                    if how in ("cancel", "timeout"):
                        faulty.require(error.pgcode == "57014", how, error)
                        faulty.require(not session.execute(WORKERS), "workers are left")
                    await_end(session)
                    faulty.require(not session.execute(WAITING), "somebody waits still")
                check_all(session)
                print("caller:", how, snapshot, str(error).strip()[:60], flush=True)
    with set_up() as (server, session):
        session.execute("CHECKPOINT")
        with at_gates(server, session, "CALL refresh_mv.run('full', jobs => 3)", 1, 2, 3) as task:
            server.crash(task.session.pid)
        task.join()
        with server.session() as after:
            await_end(after)
            check_all(after)


def of_clients(_dice):
    """A client that goes away is noticed, and its workers go."""
    with set_up("client_connection_check_interval = 50") as (server, session):
        with closed(server, 1, 2, 3):
            client = psycopg2.connect(host=server.folder, port=5432, user="postgres", dbname="postgres", async_=True)
            def ready():
                return client.poll() == psycopg2.extensions.POLL_OK
            faulty.await_true(ready, "the client is connected")
            client.cursor().execute("CALL refresh_mv.run('full', jobs => 3)")
            await_rows(session, WAITING, 3, "three views wait")
            client.close()
            await_end(session)
        check_all(session)


def of_workers(_dice):
    """One worker's end is that of the view that it is at."""
    with set_up() as (server, session):
        for snapshot in ("false", "true"):
            for function, state in (("pg_cancel_backend", "57014"), ("pg_terminate_backend", "57P01")):
                with closed(server, 3):
                    session.execute("INSERT INTO t SELECT max(id) + 1, 1 FROM t")
                    # Whoever comes last to the gate is a worker: there are more views before it than the caller can do.
                    with closed(server, 1, 2):
                        task = faulty.Task(server, f"CALL refresh_mv.run('full', jobs => 3, one_snapshot => {snapshot})")
                        waiting = await_rows(session, WAITING, 3, "three views wait")
                        victim, = [pid for pid, in session.execute(
                            "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory'"
                            " AND NOT l.granted AND a.backend_type = 'refresh_mv job' ORDER BY l.objid LIMIT 1")][:1]
                        gate, = session.execute(f"SELECT objid FROM pg_locks WHERE pid = {victim} AND NOT granted")[0]
                        session.execute(f"SELECT {function}({victim})")
                        faulty.await_true(lambda: (victim,) not in session.execute(WORKERS), "it is gone")
                task.thread.join(faulty.DEADLINE)
                name = {1: "slow_a", 2: "slow_b", 3: "slow_c"}[gate]
                failed = {view: code for view, success, code in session.execute(OUTCOMES) if not success}
                expected = {name: state, "over_slow": "55000"} if name == "slow_c" else {name: state}
                if name == "slow_c" and snapshot == "true":
                    expected["over_slow"] = state  # in one transaction
                faulty.require(failed == expected, function, snapshot, failed, expected, len(waiting))
                faulty.require(task.error is not None and task.error.pgcode == state, task.error)
                for view in VIEWS:
                    if view not in failed:
                        faulty.compare(session, view)
                faulty.require(len(session.execute(OUTCOMES)) == len(VIEWS), session.execute(OUTCOMES))
                check_all(session)
                print("worker:", function, snapshot, str(task.error).strip()[:80], flush=True)
        # All of them, where only workers refresh.
        with closed(server, 3), at_gates(server, session, "CALL refresh_mv.run('full', jobs => 2, one_snapshot => true)", 1, 2) as task:
            for pid, in session.execute(WORKERS):
                session.execute(f"SELECT pg_terminate_backend({pid})")
            task.thread.join(faulty.DEADLINE)
        failed = {code for view, success, code in session.execute(OUTCOMES) if not success}
        faulty.require(failed == {"57P01"} and len(session.execute(OUTCOMES)) == len(VIEWS), session.execute(OUTCOMES))
        check_all(session)


def notices_of(server, sql, level="warning", **options):
    """What a statement tells, in a session of its own."""
    connection = psycopg2.connect(host=server.folder, port=5432, dbname="postgres",
                                  **{"user": "postgres", "options": f"-c client_min_messages={level}", **options})
    connection.autocommit = True
    error = ""
    try:
        connection.cursor().execute(sql)
    except psycopg2.Error as caught:
        error = str(caught)
    notices = "".join(connection.notices)
    connection.close()
    return notices, error


def of_shortage(_dice):
    """Less workers than asked for."""
    for processes in (0, 1, 2):
        with set_up(f"max_worker_processes = {processes}") as (server, session):
            for snapshot in ("false", "true"):
                sql = f"CALL refresh_mv.run('full', jobs => 4, one_snapshot => {snapshot})"
                session.execute("INSERT INTO t SELECT max(id) + 1, 1 FROM t")
                notices, error = notices_of(server, sql)
                faulty.require("instead of 4" in notices and "max_worker_processes" in notices and not error, notices, error)
                print(notices.strip().split("\n")[0], flush=True)
                check_all(session, sql)
    with set_up() as (server, session):
        session.execute("CREATE ROLE caller LOGIN SUPERUSER CONNECTION LIMIT 1; ALTER DATABASE postgres CONNECTION LIMIT 1")
        connection = psycopg2.connect(host=server.folder, port=5432, user="caller", dbname="postgres",
                                      options="-c client_min_messages=warning")
        connection.autocommit = True
        session.execute("ALTER ROLE caller NOLOGIN")  # before 17, its workers cannot start: nobody else can
        for snapshot in ("false", "true"):
            session.execute("INSERT INTO t SELECT max(id) + 1, 1 FROM t")
            connection.cursor().execute(f"CALL refresh_mv.run('full', jobs => 3, one_snapshot => {snapshot})")
            told = "2 background workers of refresh_mv.run() could not start" if snapshot == "false" else "could not start"
            faulty.require((told in "".join(connection.notices)) == (connection.info.server_version < 170000), connection.notices)
            connection.notices.clear()
            for view in VIEWS:
                faulty.compare(session, view)
        connection.close()
        session.execute("ALTER DATABASE postgres CONNECTION LIMIT -1")
        server.execute("UPDATE pg_database SET datallowconn = false WHERE datname = 'template1'")
        check_all(session)


def of_ddl(_dice):
    """DDL amid a run."""
    with set_up() as (server, session):
        with at_gates(server, session, "CALL refresh_mv.run('full', jobs => 2)", 1, 2) as task:
            session.execute("DROP MATERIALIZED VIEW last")
        task.join()
        faulty.require(task.error is None, task.error)
        faulty.require([view for view, success, _ in session.execute(OUTCOMES) if success]
                       == ["over_slow", "quick", "slow_a", "slow_b", "slow_c"], session.execute(OUTCOMES))
        # A deadlock ends, for one of both.
        session.execute("CREATE TABLE u (n integer); CREATE MATERIALIZED VIEW last AS SELECT t.n FROM t, u")
        with server.session() as locker:
            locker.execute("BEGIN; LOCK TABLE u")
            task = faulty.Task(server, "CALL refresh_mv.run('full', views => '{last,quick}', jobs => 2, wait => true)")
            await_rows(session, "SELECT 1 FROM pg_locks WHERE relation = 'u'::regclass AND NOT granted", 1, "a view waits")
            with contextlib.suppress(psycopg2.errors.DeadlockDetected):
                locker.execute("LOCK TABLE t")
            locker.execute("ROLLBACK")
        task.join()
        check_all(session)
        # Without the extension there is nowhere to go on.
        for snapshot in ("false", "true"):
            sql = f"CALL refresh_mv.run('full', views => '{{slow_a,slow_b,quick,last}}', jobs => 2, one_snapshot => {snapshot})"
            with at_gates(server, session, sql, 1, 2) as task:
                drop = faulty.Task(server, "DROP EXTENSION refresh_mv")
            drop.join()
            task.thread.join(faulty.DEADLINE)
            faulty.require(not task.thread.is_alive(), "the run does not end")
            print("dropped meanwhile:", str(task.error).strip()[:100], flush=True)
            await_end(session)
            session.execute("DROP EXTENSION IF EXISTS refresh_mv; CREATE EXTENSION refresh_mv")
            check_all(session)


def of_messages(_dice):
    """What workers say."""
    with faulty.Server() as server, server.session() as session:
        session.execute("""
            CREATE EXTENSION refresh_mv;
            CREATE FUNCTION fail(n integer) RETURNS integer LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'das ist zu grün' USING DETAIL = 'Größe', HINT = 'Müßte blau sein'; END $$;
            CREATE FUNCTION talk() RETURNS integer LANGUAGE plpgsql AS
                $$ BEGIN FOR i IN 1..3000 LOOP RAISE NOTICE '% %', i, repeat('x', 1000); END LOOP; RETURN 1; END $$;
            CREATE MATERIALIZED VIEW "größer" AS SELECT fail(1) WITH NO DATA;
            CREATE MATERIALIZED VIEW loud AS SELECT talk() WITH NO DATA;
            CREATE MATERIALIZED VIEW loud_too AS SELECT talk() WITH NO DATA""")
        for encoding in ("UTF8", "LATIN1"):
            sql = "CALL refresh_mv.run(views => '{größer,loud_too}', jobs => 2, one_snapshot => true)"
            notices, error = notices_of(server, sql, client_encoding=encoding)
            faulty.require('"größer": das ist zu grün' in notices and "Größe" in notices and "Müßte" in notices, notices)
            faulty.require('"größer": das ist zu grün' in error, error)
        notices, error = notices_of(server, "CALL refresh_mv.run('full', views => '{loud,loud_too}', jobs => 2)", "notice")
        faulty.require(not error and "completed" in notices, error)
        session.execute("REFRESH MATERIALIZED VIEW loud; SELECT * FROM loud, loud_too")  # both are filled
        long_error = "CREATE OR REPLACE FUNCTION fail(n integer) RETURNS integer LANGUAGE plpgsql AS" \
                     " $$ BEGIN RAISE EXCEPTION '%', repeat('ü', 100000); END $$"
        session.execute(long_error)
        notices, error = notices_of(server, "CALL refresh_mv.run(views => '{größer,loud_too}', jobs => 2, one_snapshot => true)")
        faulty.require("üüü" in error and len(error) < 3000, len(error))
        (length,), = session.execute("SELECT length(message) FROM refresh_mv.history WHERE NOT success ORDER BY started DESC LIMIT 1")
        faulty.require(length == 100000, length)
        server.check_log()


PARTS = of_callers, of_workers, of_clients, of_shortage, of_ddl, of_messages, of_newer_views, of_one_snapshot, of_results


def all_of_them(dice):
    """In turn; JOBS_PART names one."""
    for part in PARTS:
        if os.environ.get("JOBS_PART", part.__name__) == part.__name__:
            print(f"-- {part.__name__}", flush=True)
            part(dice)


if __name__ == "__main__":
    faulty.main(all_of_them)
