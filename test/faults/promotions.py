#!/usr/bin/python3 -B
"""Promotes a standby after its primary has been killed while it was refreshing and written to.

Before, the standby refuses to refresh or to change anything, and tells what can be told.
After, views are right by the next refresh; what was in the log is used, states of groups,
which are not replicated unless they are logged, are made anew, and a refresh in chunks goes on
where it was. 1 round in 10 seconds, or 15 with TEST_LONG=1.
"""
import contextlib
import time

import psycopg2
from psycopg2 import errorcodes

import faulty

ROUNDS = 15 if faulty.LONG else 1
WRITES = [
    "SELECT refresh_materialized_views_smart()",
    "SELECT refresh_materialized_views()",
    "CALL refresh_mv.run()",
    "SELECT refresh_mv.refresh_where('ranked', 'customer = 3')",
    "SELECT refresh_mv.track('joined')",
    "SELECT refresh_mv.untrack('joined')",
    "SELECT refresh_mv.configure('joined', window_days => 3)",
    "SELECT refresh_mv.verify('joined', repair => true)",
]
READS = [
    "SELECT * FROM refresh_mv.status",
    "SELECT * FROM refresh_mv.freshness",
    "SELECT * FROM refresh_mv.history",
    "SELECT * FROM refresh_mv.dependencies",
    "SELECT refresh_mv.graph()",
    "SELECT refresh_mv.changes('joined', 'orders')",
    "SELECT refresh_mv.verify('joined')",
    "SELECT refresh_mv.verify('by_region')",
]


# A view whose state is logged, and one that is left half done.
MORE = """
    CREATE MATERIALIZED VIEW logged AS SELECT product, count(*) AS n, sum(amount) AS amount, max(amount) AS most FROM orders GROUP BY product;
    CREATE TABLE stops (id integer PRIMARY KEY, day date NOT NULL, n integer NOT NULL);
    INSERT INTO stops SELECT i, date '2025-01-01' + i, i FROM generate_series(1, 300) AS i;
    CREATE FUNCTION until_stopped(day date, n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF day::text = current_setting('test.stop_on', true) THEN
            RAISE EXCEPTION 'stopped';
        END IF;
        RETURN n;
    END $$;
    CREATE MATERIALIZED VIEW half_done AS SELECT id, day, until_stopped(day, n) AS n FROM stops;
    SELECT refresh_mv.track('logged'), refresh_mv.track('half_done');
    SET refresh_mv.logged_states = on;
    SELECT refresh_materialized_views(views => '{logged,half_done}');
    UPDATE stops SET n = n + 1
"""


def leave_half_done(primary):
    """Begins a refresh in chunks that fails at one of them."""
    primary.execute(MORE)
    with primary.session("-c test.stop_on=2025-04-04") as session, contextlib.suppress(psycopg2.Error):
        session.execute("CALL refresh_mv.run('full', views => '{half_done}', chunk => '1 month')")
    primary.execute("UPDATE stops SET n = 7 WHERE id IN (5, 280)")
    faulty.require(primary.execute("SELECT view::regclass::text, chunks > 2 FROM refresh_mv.unfinished") == [("half_done", True)], "half done")


def check_more(standby):
    """After the promotion the logged state serves, and the refresh in chunks goes on."""
    with standby.session() as session:
        session.execute("UPDATE orders SET amount = amount + 0.5 WHERE id % 10 = 5")
        session.execute("SELECT refresh_materialized_views_smart('{logged}')")
        (method, reason), = session.execute("SELECT method, reason FROM refresh_mv.history WHERE view = 'public.logged' ORDER BY started DESC LIMIT 1")
        faulty.require(method == "delta", "the view whose state is logged:", method, reason)
        session.execute("CALL refresh_mv.run('full', views => '{half_done}', chunk => '1 month')")
        (reason,), = session.execute("SELECT reason FROM refresh_mv.history WHERE view = 'public.half_done' ORDER BY started DESC LIMIT 1")
        faulty.require("by earlier calls" in reason, reason)
        faulty.check_views(session, ("logged", "half_done"))
        session.execute("SELECT refresh_mv.untrack('logged'), refresh_mv.untrack('half_done'); DROP MATERIALIZED VIEW logged, half_done")


def check_standby(standby):
    """Fails unless a standby refuses what it has to, and does the rest."""
    with standby.session() as session:
        for sql in WRITES:
            try:
                session.execute(sql)
            except psycopg2.Error as error:
                faulty.require(error.pgcode == errorcodes.READ_ONLY_SQL_TRANSACTION,
                               sql, "failed:", error.pgcode, error)
            else:
                faulty.require(False, sql, "is possible on a standby")
        for sql in READS:
            session.execute(sql)


def make_synchronous(primary):
    """From now on no commit is acknowledged before the standby has it."""
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.execute("SELECT pg_reload_conf()")
    faulty.await_true(lambda: primary.execute("SELECT true FROM pg_stat_replication WHERE sync_state = 'sync'"),
                      "the standby is synchronous")


def one_round(dice):
    """A primary and its standby, from beginning to end."""
    with faulty.Server() as primary:
        faulty.set_up(primary)
        seconds = faulty.durations(primary, ["CALL refresh_mv.run()"])["CALL refresh_mv.run()"]
        leave_half_done(primary)
        with faulty.Server(copy_of=primary) as standby:
            make_synchronous(primary)
            primary.execute("SET synchronous_commit = remote_apply; UPDATE orders SET amount = amount + 0.5 WHERE id % 10 = 4")
            check_standby(standby)
            jobs = dice.randint(1, 3)
            with faulty.Writers(primary) as writers:
                task = faulty.Task(primary, f"CALL refresh_mv.run(views => '{{{','.join(faulty.METHODS)}}}', jobs => {jobs})")
                time.sleep(dice.random() * seconds)  # the moment to be tested
                faulty.kill(primary.postmaster())
                writers.join()
                task.join()
            print("killed after", writers.acknowledged, "transactions,",
                  "after" if task.seconds else "during", "the refresh by", jobs, "processes", flush=True)
            standby.run("pg_ctl", "-D", standby.data, "-w", "promote")
            check_more(standby)
            faulty.check_recovery(standby, of_states=("full",))
            writers.check(standby)


def promotions(dice):
    """All rounds."""
    for _ in range(ROUNDS):
        one_round(dice)


if __name__ == "__main__":
    faulty.main(promotions)
