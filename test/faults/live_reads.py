#!/usr/bin/python3 -B
"""Tests live() while others write and refresh, on a primary and on its streaming standby.

Four writers change tables in transactions of all kinds, two sessions refresh the views over them, smartly and in
full, and readers compare what live() returns with the view's query, byte for byte:

- in one snapshot, under REPEATABLE READ and SERIALIZABLE, READ ONLY and not, and on the standby;
- in one statement, under READ COMMITTED;
- with a condition that is taken in, by a view of create_live_view();
- in a transaction that has written itself, before and after a savepoint is rolled back.

There must be no difference. live() may refuse to tell (SQLSTATE 55000, since what has changed is not known), and it
may fail with 40001, because a file was swapped after the snapshot; both are counted, and are to be few. Each view
has to be told often, with changes waiting; on the standby, too, but for those whose state cannot be read there.
A role that has SELECT on the views alone reads the same. Takes 25 seconds, or 5 minutes with TEST_LONG=1.
"""
import collections
import contextlib
import random
import threading
import time

import psycopg2
from psycopg2 import errorcodes

import faulty

SECONDS = 300 if faulty.LONG else 20
WRITERS = 4
ORDERS = 4000
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE customers (id integer PRIMARY KEY, region integer, name text NOT NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer integer, day date NOT NULL, amount numeric(12, 4), note text);
    CREATE TABLE parts (id integer, part integer, n bigint, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
    CREATE TABLE parts_0 PARTITION OF parts FOR VALUES IN (0);
    CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
    CREATE INDEX ON orders (customer);
    CREATE INDEX ON orders (day);
    INSERT INTO customers SELECT i, nullif(i % 12, 0), 'customer ' || i FROM generate_series(0, 99) AS i;
    INSERT INTO orders SELECT i, i % 103, date '2026-01-01' + i % 40, i % 97 / 4.0, md5(i::text)
        FROM generate_series(0, {ORDERS} - 1) AS i;
    INSERT INTO parts SELECT i, i % 3, i FROM generate_series(0, 299) AS i;
"""
# Views, and whether they can be told without their states.
VIEWS = {
    "by_day": (True, "SELECT day, count(*) AS n, sum(amount) AS amount, min(amount) AS least FROM orders GROUP BY day"),
    "by_region": (True, """SELECT c.region, count(*) AS n, sum(o.amount) AS amount, avg(o.amount) AS average,
        count(DISTINCT o.customer) AS customers FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.region"""),
    "total": (False, "SELECT count(*) AS n, sum(amount) AS amount FROM orders"),
    "by_customer": (True, """SELECT c.id, c.name, count(o.id) AS n, string_agg(o.note, ',' ORDER BY o.id) AS notes
        FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id, c.name"""),
    "joined": (True, """SELECT o.id, o.day, c.name, o.amount, o.note FROM orders o JOIN customers c
        ON c.id = o.customer WHERE o.amount > 3"""),
    "bare": (True, "SELECT day, amount, note IS NULL AS bare FROM orders"),
    "ranked": (True, "SELECT customer, id, rank() OVER (PARTITION BY customer ORDER BY amount, id) AS place FROM orders"),
    "latest": (True, "SELECT DISTINCT ON (customer) customer, id, day FROM orders ORDER BY customer, day DESC, id"),
    "quiet": (True, """SELECT c.id, c.name FROM customers c WHERE NOT EXISTS (SELECT FROM orders o
        WHERE o.customer = c.id AND o.amount > 20)"""),
    "busy": (True, "SELECT day, count(*) AS n FROM orders GROUP BY day HAVING count(*) > 99"),
    "of_parts": (True, "SELECT part, count(*) AS n, sum(n) AS sum FROM parts GROUP BY part"),
    "rollup": (False, "SELECT customer % 7 AS seventh, day, count(*) AS n FROM orders GROUP BY ROLLUP (1, 2)"),
    "top": (False, """SELECT c.name, sum(o.amount) AS amount FROM orders o JOIN customers c ON c.id = o.customer
        GROUP BY c.name ORDER BY 2 DESC NULLS LAST, 1 LIMIT 10"""),
    "above": (False, """SELECT day, sum(amount) AS amount FROM orders GROUP BY day
        HAVING sum(amount) > (SELECT sum(amount) / 40 FROM orders)"""),
    "of_view": (True, "SELECT name, count(*) AS n, sum(amount) AS amount FROM joined GROUP BY name"),
}
INDEXES = """
    CREATE UNIQUE INDEX ON joined (id); CREATE INDEX ON by_day (day); CREATE UNIQUE INDEX ON ranked (id);
"""
CONDITIONS = {
    "by_day": "day = date '2026-01-01' + {n}", "by_region": "region IS NULL OR region < 5", "joined": "id % 2 = 0 AND id < {n} * 50",
    "by_customer": "id IN ({n}, {n} + 1)", "ranked": "customer = {n}", "busy": "day > date '2026-01-01' + {n} AND n > 100",
}
STATEMENTS = [
    "INSERT INTO orders SELECT {key}, {n} * 2, date '2026-01-01' + {n}, {n} / 4.0, NULL ON CONFLICT DO NOTHING",
    "INSERT INTO orders SELECT {key} + i, {n}, date '2026-01-01' + i % 40, i, 'bulk' FROM generate_series(1, 30) AS i"
    " ON CONFLICT (id) DO UPDATE SET amount = excluded.amount + 1",
    "UPDATE orders SET amount = amount + 0.5 WHERE id = {key}",
    "UPDATE orders SET day = date '2026-01-01' + {n}, customer = {n} WHERE id = {key}",
    "UPDATE orders SET id = id + 10000000 WHERE id = {key} AND id < 10000000",
    "UPDATE orders SET note = NULL WHERE customer = {n} AND id % 4 = {writer}",
    "DELETE FROM orders WHERE id = {key}",
    "DELETE FROM orders WHERE id >= 10000000 AND id % 4 = {writer}",
    "UPDATE customers SET region = nullif({n} % 12, 0) WHERE id = {n} / 4 * 4 + {writer}",
    "UPDATE customers SET name = name || '!' WHERE id = {n} / 4 * 4 + {writer} AND length(name) < 30",
    "UPDATE parts SET part = (part + 1) % 3 WHERE id = {n} * 4 + {writer}",
    "INSERT INTO parts VALUES ({n} * 4 + {writer} + 300, 0, {n}) ON CONFLICT DO NOTHING",
    "WITH gone AS (DELETE FROM orders WHERE id = {key} RETURNING *) INSERT INTO orders SELECT id, customer, day, -amount,"
    " note FROM gone",
]
REFRESHES = ["SELECT success, message FROM refresh_materialized_views_smart()"] * 6 + [
    "SELECT success, message FROM refresh_materialized_views_smart('{{{view}}}')", "CALL refresh_mv.run()",
    "SELECT success, message FROM refresh_materialized_views(views => '{{{view}}}')"]
RETRY = {errorcodes.SERIALIZATION_FAILURE, errorcodes.DEADLOCK_DETECTED, errorcodes.UNIQUE_VIOLATION}


def difference(view, source, condition="true"):
    """A query for how much what is read differs from the view's query."""
    return (f"SELECT count(*) FROM (SELECT sum(n) FROM (SELECT v::text AS r, -1 AS n FROM {source} v"
            f" UNION ALL SELECT q::text, 1 FROM ({VIEWS[view][1]}) q WHERE {condition}) d GROUP BY r HAVING sum(n) <> 0) d")


class Load:
    """All threads, and what they have found."""

    def __init__(self, primary, standby):
        self.primary, self.standby = primary, standby
        self.end = time.monotonic() + SECONDS
        self.stop = threading.Event()
        self.problems = []
        self.counts = collections.Counter()
        self.told = collections.defaultdict(collections.Counter)  # by server and view
        self.refused = collections.Counter()

    def worker(self, job, number):
        """The body of a thread: does a job again and again in a session of its own."""
        dice = random.Random(f"{job.__name__} {number}")
        server = self.standby if job is read_standby else self.primary
        try:
            with server.session() as session:
                while not self.stop.is_set() and time.monotonic() < self.end:
                    try:
                        job(self, session, dice, number)
                        self.counts[job.__name__] += 1
                    except psycopg2.Error as error:
                        with contextlib.suppress(psycopg2.Error):
                            session.execute("ROLLBACK")
                        if error.pgcode not in RETRY:
                            raise
                        self.counts[f"{job.__name__}: {error.pgcode} {str(error).splitlines()[0][:70]}"] += 1
        except Exception as error:  # whatever it is, it makes the test fail
            self.problems.append(f"{job.__name__}: {getattr(error, 'pgcode', '')} {error!r} "
                                 f"{getattr(getattr(error, 'diag', None), 'message_detail', '')}")
            self.stop.set()

    def compare(self, session, view, source, place, condition="true"):
        """Compares what a source of a view's rows gives with its query, in one statement."""
        session.execute("SAVEPOINT compare")
        try:
            (differing,), = session.execute(difference(view, source, condition))
        except psycopg2.Error as error:
            if error.pgcode != errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE:
                raise
            session.execute("ROLLBACK TO compare")
            self.refused[place, view, error.diag.message_detail] += 1
            return
        self.told[place][view] += 1
        faulty.require(differing == 0, place, view, source, condition, "differs in", differing, "rows")


def live(view, dice):
    """What is read: the function's result, or the scan that it is planned as."""
    source = f"refresh_mv.live(NULL::{view})"
    return dice.choice([source, f"(SELECT * FROM {source} OFFSET 0)"])


def change(session, dice, number):
    """A statement of a writer, on rows of its own for the most part."""
    session.execute(dice.choice(STATEMENTS).format(key=dice.randrange(2 * ORDERS // WRITERS) * WRITERS + number,
                                                   n=dice.randrange(100), writer=number))


def write(load, session, dice, number):
    """A transaction of a writer, now and then rolled back in part or as a whole, or committed in two phases."""
    time.sleep(dice.random() * 0.02)
    if dice.random() < 0.3:
        change(session, dice, number)
        return
    session.execute(f"BEGIN ISOLATION LEVEL {dice.choice(['READ COMMITTED', 'REPEATABLE READ'])}")
    for _ in range(dice.randint(1, 5)):
        session.execute("SAVEPOINT s")
        change(session, dice, number)
        session.execute(dice.choice(["ROLLBACK TO s", "RELEASE s", "RELEASE s"]))
    if dice.random() < 0.1:
        session.execute(f"PREPARE TRANSACTION 'writer {number}'")
        time.sleep(0.02)
        session.execute(f"{dice.choice(['COMMIT', 'ROLLBACK'])} PREPARED 'writer {number}'")
    else:
        session.execute(dice.choice(["COMMIT"] * 4 + ["ROLLBACK"]))


def refresh(_load, session, dice, _number):
    """A refresh; the next one comes after some changes."""
    result = session.execute(dice.choice(REFRESHES).format(view=dice.choice(list(VIEWS))))
    failed = result and result[0][0] is False
    faulty.require(not failed or "deadlock detected" in result[0][1], result)  # with one that writes after its own refresh
    time.sleep(dice.random() * 0.2)


def read(load, session, dice, _number):
    """Some views in one snapshot."""
    level = dice.choice(["REPEATABLE READ READ ONLY", "REPEATABLE READ", "SERIALIZABLE READ ONLY", "SERIALIZABLE"])
    session.execute(f"BEGIN ISOLATION LEVEL {level}")
    for view in dice.sample(list(VIEWS), 4):
        load.compare(session, view, live(view, dice), "primary")
    session.execute("COMMIT")


def read_statement(load, session, dice, _number):
    """A view in one statement, with a condition if there is one for it."""
    session.execute("BEGIN")
    for view in dice.sample(list(VIEWS), 3):
        condition = CONDITIONS.get(view, "true").format(n=dice.randrange(40))
        source = f"(SELECT * FROM live_{view} WHERE {condition} OFFSET 0)"
        load.compare(session, view, source, "with a condition", condition)
    session.execute("COMMIT")


def read_own(load, session, dice, _number):
    """Views in a transaction that has written."""
    session.execute(f"BEGIN ISOLATION LEVEL {dice.choice(['READ COMMITTED', 'REPEATABLE READ'])}")
    change(session, dice, 0)
    view = dice.choice(list(VIEWS))
    load.compare(session, view, live(view, dice), "own changes")
    session.execute("SAVEPOINT s")
    change(session, dice, 0)
    load.compare(session, view, live(view, dice), "own changes")
    session.execute("ROLLBACK TO s")
    load.compare(session, view, live(view, dice), "own changes")
    if dice.random() < 0.2:
        session.execute(f"SELECT refresh_materialized_views_smart('{{{view}}}')")
        change(session, dice, 0)
        load.compare(session, view, live(view, dice), "own changes")
    session.execute(dice.choice(["COMMIT", "ROLLBACK"]))


def read_standby(load, session, dice, _number):
    """Some views in one snapshot of the standby."""
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    for view in dice.sample(list(VIEWS), 3):
        load.compare(session, view, live(view, dice), "standby")
    session.execute("COMMIT")


def set_up(primary):
    """Makes tables, views, and a role that may read the views alone."""
    primary.execute(SETUP)
    for view, (_, query) in VIEWS.items():
        primary.execute(f"CREATE MATERIALIZED VIEW {view} AS {query}")
        primary.execute(f"SELECT refresh_mv.create_live_view('{view}', 'live_{view}')")
    primary.execute(INDEXES)
    primary.execute("VACUUM ANALYZE")
    primary.execute("SELECT refresh_mv.track()")
    primary.execute("SELECT refresh_materialized_views_smart()")
    primary.execute("CREATE ROLE reader LOGIN")
    for view in VIEWS:
        primary.execute(f"GRANT SELECT ON {view} TO reader")


def check(load):
    """Fails if too little was compared, or too much refused."""
    for (place, view, reason), count in sorted(load.refused.items()):
        print(f"{place}: {view} was refused {count} times: {reason}")
    for place, told in sorted(load.told.items()):
        print(f"{place}: {sum(told.values())} comparisons: {dict(told)}")
    print(dict(load.counts))
    faulty.require(not load.problems, *load.problems)
    for place in ("primary", "own changes", "with a condition", "standby"):
        for view, (stateless, _) in VIEWS.items():
            if stateless or place != "standby":
                faulty.require(load.told[place][view] >= SECONDS / 10, view, "was told", load.told[place][view], "times:", place)
    refused = sum(count for (place, view, _), count in load.refused.items() if place != "standby" or VIEWS[view][0])
    faulty.require(refused < sum(sum(told.values()) for told in load.told.values()) / 10, refused, "were refused")


def check_role(server):
    """Fails if a role that may read the views alone does not read what all others do."""
    with server.session() as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        for view in VIEWS:
            rows = f"SELECT count(*), sum(hashtext(v::text)) FROM refresh_mv.live(NULL::{view}, true) v"
            expected = session.execute(rows)
            session.execute("SET LOCAL ROLE reader")
            faulty.require(session.execute(rows) == expected, "another role reads other rows of", view)
            session.execute("RESET ROLE")


def live_reads(_dice):
    """Everything."""
    with faulty.Server("max_prepared_transactions = 10", "hot_standby_feedback = on") as primary:
        set_up(primary)
        with faulty.Server("hot_standby = on", copy_of=primary) as standby:
            load = Load(primary, standby)
            jobs = [(write, WRITERS), (refresh, 2), (read, 2), (read_statement, 1), (read_own, 1), (read_standby, 2)]
            threads = [threading.Thread(target=load.worker, args=(job, number)) for job, many in jobs
                       for number in range(many)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            check(load)
            check_role(primary)
            check_role(standby)
            primary.check_log()
            standby.check_log()


if __name__ == "__main__":
    faulty.main(live_reads)
