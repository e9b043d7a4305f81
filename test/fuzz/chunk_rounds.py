#!/usr/bin/python3 -B
"""Interrupts refreshes in chunks of many kinds of views at random places, with random changes between the calls.

The views are of one row for each of a table, joined, grouped, with outer joins, with rows that go by the time, with and
without unique indexes, over another materialized view, with keep_before. Each refresh is interrupted where the query meets a
row that is set to stop it, some times in a row; sometimes another session refreshes the view meanwhile, or a table is
truncated. At the end each view equals its query, and unless it was begun without them the next change is taken from the log.

60 rounds in 30 seconds, or 1,500 with TEST_LONG=1. The seed is printed; give it as the argument to repeat a run.
"""
import os
import pathlib
import sys

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "faults"))
import faulty  # noqa: E402 pylint: disable=wrong-import-position

ROUNDS = 1500 if os.environ.get("TEST_LONG") else 60
DAYS = 200
ROWS = 800
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE t (id integer PRIMARY KEY, day date, kind integer, n numeric);
    CREATE TABLE k (kind integer PRIMARY KEY, name text);
    CREATE FUNCTION until_stopped(day date, x numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF day::text = current_setting('test.stop_on', true) THEN
            RAISE EXCEPTION 'stopped';
        END IF;
        RETURN x;
    END $$;
    CREATE MATERIALIZED VIEW plain AS SELECT id, day, until_stopped(day, n) AS n FROM t;
    CREATE MATERIALIZED VIEW keyed AS SELECT id, day, until_stopped(day, n) AS n FROM t;
    CREATE UNIQUE INDEX ON keyed (id);
    CREATE MATERIALIZED VIEW joined AS
        SELECT t.id, t.day, k.name, until_stopped(t.day, t.n) AS n FROM t LEFT JOIN k ON k.kind = t.kind;
    CREATE UNIQUE INDEX ON joined (id, name);
    CREATE MATERIALIZED VIEW grouped AS
        SELECT day, kind, count(*) AS rows, sum(until_stopped(day, n)) AS n, min(n) AS least, count(DISTINCT n) AS numbers
        FROM t GROUP BY day, kind;
    CREATE UNIQUE INDEX ON grouped (day, kind);
    CREATE MATERIALIZED VIEW monthly AS
        SELECT date_trunc('month', day)::date AS month, name, avg(until_stopped(day, n)) AS n
        FROM t JOIN k USING (kind) GROUP BY 1, 2;
    CREATE MATERIALIZED VIEW firsts AS
        SELECT DISTINCT ON (day) day, id, until_stopped(day, n) AS n FROM t ORDER BY day, n, id;
    CREATE MATERIALIZED VIEW ranked AS
        SELECT id, day, rank() OVER (PARTITION BY day ORDER BY n, id) AS place, until_stopped(day, n) AS n FROM t;
    CREATE UNIQUE INDEX ON ranked (id);
    CREATE MATERIALIZED VIEW timed AS SELECT id, day, until_stopped(day, n) AS n FROM t
        WHERE day > (now() - interval '1 second' * (n::integer % 3))::date - 400;
    CREATE MATERIALIZED VIEW above AS SELECT day, count(*) AS rows, sum(until_stopped(day, n)) AS n FROM keyed GROUP BY day;
    CREATE MATERIALIZED VIEW by_number AS SELECT id, kind, until_stopped(day, n) AS n FROM t;
    CREATE UNIQUE INDEX ON by_number (id);
"""
VIEWS = {view: ("1 month", "20 days", "2 weeks", "100", "300 rows") for view in
         ("plain", "keyed", "joined", "grouped", "firsts", "ranked", "timed", "above")}
VIEWS["monthly"] = ("1 month", "2 months", "5 days", "7")
VIEWS["by_number"] = ("50", "170")
UNTRACKED = ("plain",)


def day(dice):
    """A day as a literal; now and then none, or an infinite one."""
    return dice.choice(["NULL", "'infinity'", "'-infinity'"]) if dice.random() < 0.05 else \
        f"current_date - {dice.randrange(DAYS)}"


def change(dice):
    """A statement that changes something."""
    row = dice.randrange(ROWS)
    return dice.choice([
        f"UPDATE t SET n = n + 1 WHERE id = {row}",
        f"UPDATE t SET n = n - 1 WHERE id = {row}",
        f"UPDATE t SET n = -n WHERE id % 7 = {row % 7}",
        f"UPDATE t SET day = {day(dice)} WHERE id = {row}",
        f"UPDATE t SET day = {day(dice)} WHERE id BETWEEN {row} AND {row} + 9",
        f"UPDATE t SET kind = {row % 12} WHERE id % 11 = {row % 11}",
        f"DELETE FROM t WHERE id BETWEEN {row} AND {row + 5}",
        f"INSERT INTO t VALUES ({row}, {day(dice)}, {row % 12}, {row % 5}) ON CONFLICT (id) DO UPDATE SET day = EXCLUDED.day",
        f"UPDATE k SET name = name || '.' WHERE kind = {row % 10}",
        f"DELETE FROM k WHERE kind = {row % 10}",
        f"INSERT INTO k VALUES ({row % 10}, 'name {row % 4}') ON CONFLICT DO NOTHING",
    ])


def shake(session, dice, most):
    """Changes some things."""
    for _ in range(dice.randint(0, most)):
        session.execute(change(dice))


class Round:
    """A view, refreshed in chunks until that has ended."""

    def __init__(self, server, session, dice):
        self.server = server
        self.session = session
        self.dice = dice
        self.view = dice.choice([*VIEWS])
        self.steps = []

    def execute(self, sql):
        """Runs SQL, and notes it."""
        self.steps.append(sql)
        return self.session.execute(sql)

    def somewhere(self):
        """A day of which there are rows."""
        found = self.session.execute("SELECT day::text FROM t WHERE isfinite(day) ORDER BY md5(id::text || %s) LIMIT 1",
                                     str(self.dice.random()))
        return found[0][0] if found else "never"

    def call(self, stop_on):
        """A call; True if it has ended the refresh."""
        self.execute(f"SELECT set_config('test.stop_on', '{stop_on}', false)")
        try:
            self.execute(f"CALL refresh_mv.run('full', views => '{{{self.view}}}',"
                         f" chunk => '{self.dice.choice(VIEWS[self.view])}', wait => true)")
            return True
        except psycopg2.Error as error:
            faulty.require("stopped" in str(error), error)
            return False
        finally:
            self.execute("SELECT set_config('test.stop_on', 'never', false)")

    def disturb(self):
        """What may happen between two calls."""
        shake(self, self.dice, 6)
        what = self.dice.random()
        if what < 0.04:
            self.execute("BEGIN; CREATE TEMP TABLE c ON COMMIT DROP AS TABLE t; TRUNCATE t; INSERT INTO t TABLE c; COMMIT")
        elif what < 0.08:
            self.execute(f"SELECT refresh_materialized_views_smart('{{{self.view}}}')")
        elif what < 0.1:
            self.execute(f"SELECT refresh_mv.refresh_where('{self.view}', '{self.column()} >= {self.value()}')")
        elif what < 0.12:
            self.execute(f"REFRESH MATERIALIZED VIEW {self.view}")
        elif what < 0.14 and self.view not in ("grouped", "above"):
            self.execute(f"SELECT refresh_materialized_views(true, 30, '{{{self.view}}}')")

    def column(self):
        """A column by which the view can be divided."""
        return {"monthly": "month", "by_number": "id"}.get(self.view, "day")

    def value(self):
        """A value of that."""
        return 400 if self.view == "by_number" else "''2025-01-01''"

    def run(self):
        """The round; returns what the history says of the end."""
        try:
            for _ in range(self.dice.randint(0, 4)):
                if self.call(self.somewhere()):
                    shake(self, self.dice, 8)
                else:
                    self.disturb()
            faulty.require(self.call("never"), "stopped by nothing")
            (method, reason), = self.execute("SELECT method, reason FROM refresh_mv.history"
                                             f" WHERE view = 'public.{self.view}' ORDER BY started DESC LIMIT 1")
            self.check(method, reason)
            return reason
        except BaseException:
            print("what was done:", *self.steps, sep="\n")
            raise

    def check(self, method, reason):
        """Fails unless the view is right, and goes on by its changes."""
        faulty.require(method == "full" and "chunk" in reason, self.view, method, reason)
        if self.view in UNTRACKED:
            if "earlier calls" not in reason:
                faulty.compare(self.session, self.view)
            return
        inexact = "own time" in reason
        if not inexact:
            faulty.compare(self.session, self.view)
        shake(self, self.dice, 3)
        self.execute(f"SELECT refresh_materialized_views_smart('{{{self.view}}}')")
        (how, why), = self.execute("SELECT method, reason FROM refresh_mv.history"
                                   f" WHERE view = 'public.{self.view}' ORDER BY started DESC LIMIT 1")
        faulty.require(inexact or how != "full", f"{self.view} after \"{reason}\": {how}: {why}")
        faulty.compare(self.session, self.view)


def chunk_rounds(dice):
    """All rounds."""
    reasons = {}
    with faulty.Server() as server:
        server.execute(SETUP)
        server.execute(f"INSERT INTO k SELECT i, 'name ' || i FROM generate_series(0, 9) i; INSERT INTO t"
                       f" SELECT i, current_date - i % {DAYS}, i % 12, i % 5 FROM generate_series(0, {ROWS} - 1) i; ANALYZE")
        for view in VIEWS:
            if view not in UNTRACKED:
                server.execute(f"SELECT refresh_mv.track('{view}')")
        server.execute("SELECT refresh_materialized_views()")
        with server.session() as session:
            for _ in range(ROUNDS):
                shake(session, dice, 8)
                task = Round(server, session, dice)
                reason = task.run()
                kind = (task.view, "anew" if "anew" in reason else "own time" if "own time" in reason else
                        "earlier" if "earlier" in reason else "at once")
                reasons[kind] = reasons.get(kind, 0) + 1
        server.check_log()
    for (view, kind), times in sorted(reasons.items()):
        print(f"{times} times {view}: {kind}")


if __name__ == "__main__":
    faulty.main(chunk_rounds)
