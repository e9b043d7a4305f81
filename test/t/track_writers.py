#!/usr/bin/python3
"""Tests tracked views while several sessions write to their tables.

Four writers change two tables, by row and in bulk, and roll some of it back. One
session refreshes all the time, another every half second by the procedure, and a
monitor sees to it that no writer ever waits for a refresh. In the end the views
are right, and there is nothing left to do or in the log. Takes 10 seconds, or
150 with TEST_LONG=1.
"""
import contextlib
import os
import random
import sys
import threading
import time
import traceback

import psycopg2

DATABASE = "refresh_mv_track_writers"
SECONDS = 150 if os.environ.get("TEST_LONG") else 10
CUSTOMERS = 400
ORDERS = 4000
WRITERS = 4
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE customers (id integer PRIMARY KEY, region integer, name text NOT NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer integer NOT NULL, amount numeric, note text)
        PARTITION BY RANGE (id);
    CREATE TABLE orders_old PARTITION OF orders FOR VALUES FROM (MINVALUE) TO (2000);
    CREATE TABLE orders_new PARTITION OF orders FOR VALUES FROM (2000) TO (MAXVALUE);
    INSERT INTO customers SELECT i, i % 20, 'customer ' || i FROM generate_series(0, {CUSTOMERS} - 1) AS i;
    INSERT INTO orders SELECT i, i % {CUSTOMERS}, i % 97 FROM generate_series(0, {ORDERS} - 1) AS i;
    CREATE MATERIALIZED VIEW joined AS
        SELECT o.id, c.name, o.amount, o.note FROM orders AS o LEFT JOIN customers AS c ON c.id = o.customer;
    CREATE MATERIALIZED VIEW by_region AS
        SELECT c.region, count(*) AS n, sum(o.amount) AS amount, count(DISTINCT c.id) AS customers
        FROM orders AS o JOIN customers AS c ON c.id = o.customer GROUP BY c.region;
    CREATE MATERIALIZED VIEW top_of_view AS SELECT name, count(*) AS n FROM joined GROUP BY name;
    CREATE MATERIALIZED VIEW plain AS SELECT * FROM customers;
    ANALYZE;
"""
VIEWS = ("joined", "by_region", "top_of_view", "plain")


class Load:
    """What all threads share."""

    def __init__(self):
        self.end = time.monotonic() + SECONDS
        self.problems = []
        self.counts = {}
        self.writers = set()     # process ids
        self.refreshers = set()
        self.lock = threading.Lock()

    def count(self, what):
        """Counts something done."""
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def worker(self, job, number, pids=None):
        """The body of a thread: does a job again and again in a session of its own."""
        dice = random.Random(f"{job.__name__} {number}")
        try:
            with connect() as connection, connection.cursor() as cursor:
                if pids is not None:
                    pids.add(connection.info.backend_pid)
                while time.monotonic() < self.end and not self.problems:
                    job(self, cursor, dice, number)
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


def change(cursor, dice, number):
    """One statement. Each writer has rows of its own, and rows of all are locked in one order."""
    customer = dice.randrange(CUSTOMERS // WRITERS) * WRITERS + number
    order = dice.randrange(ORDERS // WRITERS) * WRITERS + number
    cursor.execute(dice.choice([
        "UPDATE orders SET amount = amount + 1, note = repeat('x', {width}) WHERE id = {order}",
        "UPDATE orders SET customer = {customer} WHERE id = {order}",
        "UPDATE orders SET id = {other} WHERE id = {order} AND NOT EXISTS (SELECT FROM orders WHERE id = {other})",
        "DELETE FROM orders WHERE id = {order}",
        "INSERT INTO orders VALUES ({order}, {customer}, 7) ON CONFLICT (id) DO UPDATE SET amount = 8",
        "INSERT INTO orders VALUES ({order}, {customer}, 9.0) ON CONFLICT DO NOTHING",
        "UPDATE customers SET name = name || '.' WHERE id = {customer}",
        "UPDATE customers SET region = {region} WHERE id = {customer}",
        "DELETE FROM customers WHERE id = {customer}",
        "INSERT INTO customers VALUES ({customer}, {region}, 'new') ON CONFLICT DO NOTHING",
        "UPDATE orders SET amount = -amount WHERE id % {writers} = {number} AND id % 7 = {region} % 7",
        "DELETE FROM orders WHERE id % {writers} = {number} AND amount > 95",
        "INSERT INTO orders SELECT i, {customer}, i % 97 FROM generate_series({number}, {orders} - 1, {writers}) AS i"
        " WHERE i % 11 = {region} % 11 ON CONFLICT DO NOTHING",
        "WITH gone AS (DELETE FROM orders WHERE id % {writers} = {number} AND id % 50 < 8 RETURNING *)"
        " INSERT INTO orders SELECT id, customer, amount + 1 FROM gone",
        "UPDATE customers SET name = 'customer ' || id WHERE id % {writers} = {number}",
    ]).format(customer=customer, order=order, other=dice.randrange(ORDERS // WRITERS) * WRITERS + number,
              region=dice.randrange(20), width=dice.choice([1, 300, 4000]), number=number,
              writers=WRITERS, orders=ORDERS))


def write(_load, cursor, dice, number):
    """One transaction, now and then rolled back in part or as a whole."""
    if dice.random() < 0.4:
        change(cursor, dice, number)
        return
    cursor.execute(f"BEGIN ISOLATION LEVEL {dice.choice(['READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ'])}")
    for _ in range(dice.randint(1, 6)):
        if dice.random() < 0.3:
            cursor.execute("SAVEPOINT s")
            change(cursor, dice, number)
            cursor.execute("ROLLBACK TO s" if dice.random() < 0.5 else "RELEASE s")
        else:
            change(cursor, dice, number)
        if dice.random() < 0.1:
            time.sleep(0.05)  # stays open for longer than a refresh takes
    cursor.execute("ROLLBACK" if dice.random() < 0.2 else "COMMIT")


def refresh_by_function(_load, cursor, dice, _number):
    """Some or all views at one snapshot."""
    views = dice.choice([list(VIEWS), [dice.choice(VIEWS)]])
    cursor.execute("SELECT success, message FROM refresh_materialized_views_smart(%s::text[]::regclass[])", [views])
    success, message = cursor.fetchone()
    if not success:
        raise AssertionError(message)


def refresh_by_procedure(load, cursor, _dice, _number):
    """All views one by one, now and then."""
    time.sleep(min(0.5, max(0, load.end - time.monotonic())))
    cursor.execute("CALL refresh_mv.run()")


def monitor(load, cursor, _dice, _number):
    """No writer may wait for a refresh, but while that makes the file of the log longer."""
    cursor.execute("SELECT a.pid, b, a.wait_event, a.query,"
                   " (SELECT query FROM pg_stat_activity WHERE pid = b)"
                   " FROM pg_stat_activity AS a, unnest(pg_blocking_pids(a.pid)) AS b"
                   " WHERE a.datname = current_database() AND a.wait_event_type = 'Lock' AND a.wait_event <> 'extend'")
    for waiting, holding, event, query, other in cursor.fetchall():
        if waiting in load.writers and holding in load.refreshers:
            raise AssertionError(f"a writer waits for a refresh ({event}): {query}; {other}")
    time.sleep(0.002)


def check(load):
    """Collects what is wrong after the load."""
    problems = load.problems
    for name, least in (("write", 20 * SECONDS), ("refresh_by_function", SECONDS),
                        ("refresh_by_procedure", SECONDS / 5), ("monitor", SECONDS)):
        if load.counts.get(name, 0) < least:
            problems.append(f"only {load.counts.get(name, 0)} times {name}")
    failures = execute("SELECT view, sqlstate, message FROM refresh_mv.history WHERE NOT success")
    if failures:
        problems.append(f"failures in the history: {failures}")
    unknown = execute("SELECT name, unknown_reason FROM refresh_mv.status WHERE unknown_reason IS NOT NULL")
    if unknown:
        problems.append(f"the state of views is unknown: {unknown}")
    refresh()
    for view in VIEWS:
        query = execute(f"SELECT rtrim(pg_get_viewdef('{view}'), ';')")[0][0]
        wrong = execute(f"SELECT count(*) FROM (({query} EXCEPT ALL TABLE {view})"
                        f" UNION ALL (TABLE {view} EXCEPT ALL {query})) AS d")
        if wrong != [(0,)]:
            problems.append(f"{view} differs from its query in {wrong[0][0]} rows")
    methods = refresh()
    if methods != ["skip"] * len(VIEWS):
        problems.append(f"when nothing had changed the methods were {methods}")
    await_purge(problems)


def await_purge(problems):
    """The log gets empty in a few refreshes, as soon as no older transaction is open anywhere."""
    end = time.monotonic() + 10
    left = True
    while left and time.monotonic() < end:
        refresh()
        left = execute("SELECT relation::regclass::text, count(*) FROM refresh_mv.log GROUP BY 1")
    if left:
        problems.append(f"the log is not purged: {left}")


def refresh():
    """Refreshes all views; returns the methods."""
    execute(f"SELECT refresh_materialized_views_smart('{{{','.join(VIEWS)}}}')")
    return [method for method, in execute("SELECT method FROM refresh_mv.history"
                                          " WHERE run = (SELECT max(run) FROM refresh_mv.history)")]


def main():
    """Sets up, loads, checks."""
    execute(f"DROP DATABASE IF EXISTS {DATABASE}", "postgres")
    execute(f"CREATE DATABASE {DATABASE}", "postgres")
    execute(SETUP)
    tracked = execute("SELECT * FROM refresh_mv.track()")
    if len(tracked) != len(VIEWS) or not all(row[1] for row in tracked):
        print(tracked)
        return 1
    load = Load()
    threads = [threading.Thread(target=load.worker, args=(write, number, load.writers)) for number in range(WRITERS)]
    threads += [threading.Thread(target=load.worker, args=(job, 0, load.refreshers))
                for job in (refresh_by_function, refresh_by_procedure)]
    threads.append(threading.Thread(target=load.worker, args=(monitor, 0)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(load)
    print(load.counts)
    print(execute("SELECT method, source, success, count(*), round(avg(extract(epoch FROM duration)) * 1000) AS ms"
                  " FROM refresh_mv.history GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"))
    for problem in load.problems:
        print(problem)
    return 1 if load.problems else 0


if __name__ == "__main__":
    sys.exit(main())
