#!/usr/bin/python3 -B
"""Promotes a standby after its primary has been killed while it was refreshing and written to.

Before, the standby refuses to refresh or to change anything, and tells what can be told.
After, views are right by the next refresh; what was in the log is used, states of groups,
which are not replicated, are made anew. 1 round in 10 seconds, or 15 with TEST_LONG=1.
"""
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
        with faulty.Server(copy_of=primary) as standby:
            make_synchronous(primary)
            primary.execute("UPDATE orders SET amount = amount + 0.5 WHERE id % 10 = 4")
            check_standby(standby)
            with faulty.Writers(primary) as writers:
                task = faulty.Task(primary, "CALL refresh_mv.run()")
                time.sleep(dice.random() * seconds)  # the moment to be tested
                faulty.kill(primary.postmaster())
                writers.join()
                task.join()
            print("killed after", writers.acknowledged, "transactions,",
                  "after" if task.seconds else "during", "the refresh", flush=True)
            standby.run("pg_ctl", "-D", standby.data, "-w", "promote")
            faulty.check_recovery(standby, of_states=("full",))
            writers.check(standby)


def promotions(dice):
    """All rounds."""
    for _ in range(ROUNDS):
        one_round(dice)


if __name__ == "__main__":
    faulty.main(promotions)
