#!/usr/bin/python3
"""Tests refreshes of all kinds at once while others write and read.

Writers move money and accounts between groups; every snapshot of a view has
to show the same sum. Takes 15 seconds, or 120 with TEST_LONG=1.
"""
import contextlib
import os
import random
import sys
import threading
import time
import traceback

import psycopg2

DATABASE = "refresh_mv_writers"
SECONDS = 120 if os.environ.get("TEST_LONG") else 15
ACCOUNTS = 20000
GROUPS = 200
BALANCE = 1000
SLOWEST = 1.0  # seconds that a read may take, unless core's REFRESH is running
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE accounts (id integer PRIMARY KEY, grp integer NOT NULL, balance bigint NOT NULL);
    INSERT INTO accounts SELECT i, i % {GROUPS}, {BALANCE} FROM generate_series(1, {ACCOUNTS}) AS i;
    CREATE MATERIALIZED VIEW by_account AS SELECT id, grp, balance, md5(balance::text) AS sum FROM accounts;
    CREATE UNIQUE INDEX ON by_account (id);
    CREATE INDEX ON by_account (grp);
    CREATE MATERIALIZED VIEW by_group AS
        SELECT grp, count(*) AS n, sum(balance) AS balance FROM accounts GROUP BY grp;
    CREATE UNIQUE INDEX ON by_group (grp);
    CREATE MATERIALIZED VIEW of_view AS
        SELECT grp % 10 AS tenth, count(*) AS n, sum(balance) AS balance FROM by_account GROUP BY 1;
    ANALYZE;
"""
VIEWS = ("by_account", "by_group", "of_view")
READ = {
    "by_account": "SELECT count(*), sum(balance), count(*) FILTER (WHERE sum <> md5(balance::text)),"
                  " count(DISTINCT id) = count(*), sum(hashtext(v::text)) FROM by_account AS v",
    "by_group": "SELECT sum(n), sum(balance), 0, count(DISTINCT grp) = count(*), sum(hashtext(v::text))"
                " FROM by_group AS v",
    "of_view": "SELECT sum(n), sum(balance), 0, count(DISTINCT tenth) = count(*), sum(hashtext(v::text))"
               " FROM of_view AS v",
}


class Load:
    """What all threads share."""

    def __init__(self):
        self.end = time.monotonic() + SECONDS
        self.problems = []
        self.counts = {}
        self.seen = {view: set() for view in VIEWS}
        self.core = []   # (start, end) of core's REFRESHes
        self.reads = []  # (start, end)
        self.lock = threading.Lock()

    def count(self, what):
        """Counts something done."""
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def worker(self, job, number):
        """The body of a thread: does a job again and again in a session of its own."""
        try:
            with connect() as connection, connection.cursor() as cursor:
                while time.monotonic() < self.end and not self.problems:
                    job(self, cursor, random.Random(f"{job.__name__} {number} {time.monotonic()}"))
                    self.count(job.__name__)
        except Exception:  # whatever it is, it makes the test fail
            self.problems.append(f"{job.__name__}: {traceback.format_exc()}")


def connect(database=DATABASE):
    """A connection in autocommit."""
    connection = psycopg2.connect(dbname=database)
    connection.autocommit = True
    return contextlib.closing(connection)


def execute(sql, database=DATABASE):
    """Runs SQL in a session of its own; returns the rows, if it returns any."""
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def write(_load, cursor, dice):
    """One balanced transaction: transfers, a move to another group, an account replaced."""
    ids = dice.sample(range(1, ACCOUNTS + 1), 20)
    cursor.execute("BEGIN; SELECT id FROM accounts WHERE id = ANY (%s) ORDER BY abs(id) FOR UPDATE",
                   [ids + [-id for id in ids]])
    ids = [id for id, in cursor.fetchall()]  # those that no other writer has just replaced
    half = len(ids) // 2
    for giver, taker in zip(ids[:half], ids[half:]):
        amount = dice.randint(1, 100)
        cursor.execute("UPDATE accounts SET balance = balance - %s WHERE id = %s;"
                       " UPDATE accounts SET balance = balance + %s WHERE id = %s",
                       [amount, giver, amount, taker])
    cursor.execute("UPDATE accounts SET grp = %s WHERE id = %s", [dice.randrange(GROUPS), ids[0]])
    cursor.execute("WITH gone AS (DELETE FROM accounts WHERE id = %s RETURNING *)"
                   " INSERT INTO accounts SELECT %s, grp, balance FROM gone",
                   [ids[1], dice.choice([ids[1], -ids[1]])])
    cursor.execute("COMMIT")


def refresh_by_function(_load, cursor, dice):
    """All views at one snapshot, or one of them."""
    call = "()" if dice.random() < 0.7 else f"_smart('{{{dice.choice(VIEWS)}}}')"
    cursor.execute("SELECT success, message FROM refresh_materialized_views" + call)
    success, message = cursor.fetchone()
    if not success:
        raise AssertionError(message)


def refresh_by_procedure(_load, cursor, dice):
    """The views one by one."""
    cursor.execute(f"CALL refresh_mv.run('{dice.choice(['smart', 'full'])}', wait => {dice.random() < 0.5})")


def refresh_by_core(load, cursor, dice):
    """Core's REFRESH, now and then."""
    time.sleep(0.5)
    view = dice.choice(VIEWS)
    start = time.monotonic()
    cursor.execute(f"REFRESH MATERIALIZED VIEW {view}")
    load.core.append((start, time.monotonic()))


def read(load, cursor, dice):
    """One snapshot of a view, with its invariants."""
    view = dice.choice(VIEWS)
    start = time.monotonic()
    cursor.execute(READ[view])
    accounts, balance, wrong, unique, fingerprint = cursor.fetchone()
    load.reads.append((start, time.monotonic()))
    if (accounts, balance, wrong, unique) != (ACCOUNTS, ACCOUNTS * BALANCE, 0, True):
        raise AssertionError(f"{view} shows {accounts} accounts with {balance},"
                             f" {wrong} wrong, unique: {unique}")
    load.seen[view].add(fingerprint)


def check(load):
    """Collects what is wrong after the load."""
    problems = load.problems
    slow = [end - start for start, end in load.reads if end - start > SLOWEST
            and not any(begin < end and start < done for begin, done in load.core)]
    if slow:
        problems.append(f"{len(slow)} reads took up to {max(slow):.1f} s without core's REFRESH running")
    for name, least in (("write", 100), ("refresh_by_function", 10), ("refresh_by_procedure", 10),
                        ("refresh_by_core", 3), ("read", 100)):
        if load.counts.get(name, 0) < least:
            problems.append(f"only {load.counts.get(name, 0)} times {name}")
    for view in VIEWS:
        if len(load.seen[view]) < 5:
            problems.append(f"{view} was seen in only {len(load.seen[view])} states")
    if execute(f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{DATABASE}'") != [(0,)]:
        problems.append("there were deadlocks")
    failures = execute("SELECT view, sqlstate, message FROM refresh_mv.history WHERE NOT success")
    if failures:
        problems.append(f"failures in the history: {failures}")
    check_content(problems)


def check_content(problems):
    """After one more refresh each view is what its query gives."""
    execute("CALL refresh_mv.run('full')")
    for view in VIEWS:
        query = execute(f"SELECT rtrim(pg_get_viewdef('{view}'), ';')")[0][0]
        wrong = execute(f"SELECT count(*) FROM (({query} EXCEPT ALL TABLE {view})"
                        f" UNION ALL (TABLE {view} EXCEPT ALL {query})) AS d")
        if wrong != [(0,)]:
            problems.append(f"{view} differs from its query in {wrong[0][0]} rows")


def main():
    """Sets up, loads, checks."""
    execute(f"DROP DATABASE IF EXISTS {DATABASE}", "postgres")
    execute(f"CREATE DATABASE {DATABASE}", "postgres")
    execute(SETUP)
    load = Load()
    threads = [threading.Thread(target=load.worker, args=(job, number))
               for job, many in ((write, 2), (refresh_by_function, 1), (refresh_by_procedure, 1),
                                 (refresh_by_core, 1), (read, 2)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(load)
    print(load.counts, {view: len(states) for view, states in load.seen.items()})
    print(f"slowest read: {max(end - start for start, end in load.reads):.3f} s")
    print(execute("SELECT method, source, count(*), sum(rows_inserted), sum(rows_updated), sum(rows_deleted)"
                  " FROM refresh_mv.history GROUP BY 1, 2 ORDER BY 1, 2"))
    for problem in load.problems:
        print(problem)
    return 1 if load.problems else 0


if __name__ == "__main__":
    sys.exit(main())
