#!/usr/bin/python3
"""Tests what other sessions see of a refresh, and that it can be ended at any time.

Prints how long each refresh went on after it was cancelled.
"""
import contextlib
import re
import threading
import time
import unittest

import psycopg2
import psycopg2.errorcodes

DATABASE = "refresh_mv_progress"
ROWS = 300000
SLOWEST = 1.0  # seconds that a refresh may go on after it was cancelled
TEXT = re.compile(r'refresh_mv: view (\d+) of (\d+), (.+): ([a-z ]+), (\d+) rows')
SETUP = f'''
    CREATE EXTENSION refresh_mv;
    CREATE TABLE facts (id integer PRIMARY KEY, n integer NOT NULL);
    INSERT INTO facts SELECT i, 0 FROM generate_series(1, {ROWS}) AS i;
    CREATE TABLE nap AS SELECT 0::float8 AS seconds;
    CREATE TABLE divisor AS SELECT 1 AS n;
    ANALYZE;
    CREATE MATERIALIZED VIEW big AS SELECT id, n, md5(id::text) AS filler FROM facts;
    CREATE UNIQUE INDEX ON big (id);
    CREATE INDEX ON big (filler);
    CREATE MATERIALIZED VIEW "it's ""slow""" AS
        SELECT i FROM generate_series(1, 200) AS i, nap WHERE pg_sleep(seconds / 200 + 0 * i)::text = '';
    CREATE MATERIALIZED VIEW fails AS SELECT 1 / n AS x FROM divisor;
'''
SLOW = """ARRAY['"it''s ""slow\"""']::regclass[]"""
# So many rows change that a merge deletes, updates and inserts.
CHANGE_SOME = f"""
    DELETE FROM facts WHERE id <= {ROWS // 6};
    INSERT INTO facts SELECT i, 0 FROM generate_series({ROWS + 1}, {ROWS + ROWS // 6}) AS i;
    UPDATE facts SET n = n + 1 WHERE id % 6 = 0;
"""
LOW_MEMORY = "SET maintenance_work_mem = '1MB'"


def connect(database=DATABASE):
    """A connection in autocommit."""
    connection = psycopg2.connect(dbname=database)
    connection.autocommit = True
    return contextlib.closing(connection)


def execute(connection, sql):
    """Runs SQL; returns the first column of the first row, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


class Refresh(threading.Thread):
    """A statement that runs in a session of its own."""

    def __init__(self, sql, *settings):
        super().__init__()
        self.connection = psycopg2.connect(dbname=DATABASE)
        self.connection.autocommit = True
        for setting in settings:
            execute(self.connection, setting)
        self.pid = self.connection.info.backend_pid
        self.sql = sql
        self.error = None
        self.ended = None

    def run(self):
        try:
            execute(self.connection, self.sql)
        except psycopg2.Error as error:
            self.error = error
        self.ended = time.monotonic()

    def close(self):
        """Waits for the end of statement and session."""
        self.join()
        self.connection.close()


class Case(unittest.TestCase):
    """The test's database, and a session to watch others from."""

    @classmethod
    def setUpClass(cls):
        with connect("postgres") as connection:
            execute(connection, f"DROP DATABASE IF EXISTS {DATABASE}")
            execute(connection, f"CREATE DATABASE {DATABASE}")
        with connect() as connection:
            execute(connection, SETUP)

    def setUp(self):
        self.watcher = connect().thing
        self.addCleanup(self.watcher.close)

    def start(self, sql, *settings):
        """Starts a statement."""
        refresh = Refresh(sql, *settings)
        self.addCleanup(refresh.close)
        refresh.start()
        return refresh

    def shown(self, refresh):
        """What pg_stat_activity shows of a session now."""
        return execute(self.watcher, f"SELECT query FROM pg_stat_activity WHERE pid = {refresh.pid}")

    def watch(self, refresh, phase=None):
        """Collects all that is shown until the statement ends, or until a phase starts."""
        texts = []
        deadline = time.monotonic() + 60
        while refresh.is_alive():
            self.assertLess(time.monotonic(), deadline, texts)
            text = self.shown(refresh)
            if texts[-1:] != [text]:
                texts.append(text)
            if phase and f": {phase}, " in text:
                return texts
        if phase:
            self.fail(f"phase {phase} not seen in: {texts} {refresh.error}")
        return texts

    def fingerprint(self, view):
        """Tells whether a view has changed."""
        return execute(self.watcher, "SELECT row(count(*), sum(hashtextextended(v::text, 0)))::text"
                                     f" FROM {view} AS v")

    def refreshed(self, view):
        """How many refreshes of a view are in the history."""
        return execute(self.watcher, "SELECT count(*) FROM refresh_mv.history"
                                     f" WHERE view = $$public.{view}$$")


class ShownTest(Case):
    """What pg_stat_activity shows."""

    def setUp(self):
        super().setUp()
        execute(self.watcher, "UPDATE nap SET seconds = 0.4; UPDATE divisor SET n = 1")

    def check_texts(self, refresh, views):
        """The texts are of the right form and count views and rows."""
        texts = self.watch(refresh)
        matches = [TEXT.fullmatch(text) for text in texts if text not in (refresh.sql, "")]
        self.assertGreater(len(matches), 2, texts)
        self.assertNotIn(None, matches, texts)
        seen = []
        for match in matches:
            number, of, name, phase, rows = match.groups()
            self.assertEqual(int(of), len(views))
            self.assertEqual(name, views[int(number) - 1])
            self.assertEqual(int(rows) % 16384, 0)
            seen.append((int(number), phase, int(rows)))
        self.assertEqual([number for number, _, _ in seen], sorted(number for number, _, _ in seen))
        return seen

    def check_after(self, refresh, sqlstate=None):
        """The client's own statement is shown again, whatever the end."""
        refresh.join()
        self.assertEqual(refresh.error and refresh.error.pgcode, sqlstate)
        self.assertEqual(self.shown(refresh), refresh.sql)

    def test_function(self):
        """The function shows views, phases and rows."""
        execute(self.watcher, "UPDATE facts SET n = n + 1 WHERE id % 9 = 0")
        refresh = self.start("SELECT refresh_materialized_views() AS my_own")
        seen = self.check_texts(refresh, ["big", '"it\'s ""slow"""', "fails"])
        self.assertIn((2, "running its query", 0), seen)
        self.assertIn((1, "running its query"), [(number, phase) for number, phase, _ in seen])
        self.assertGreater(max(rows for number, _, rows in seen if number == 1), 0)
        self.check_after(refresh)

    def test_procedure(self):
        """The procedure does too, across its commits, and when a view fails."""
        execute(self.watcher, "UPDATE divisor SET n = 0")
        refresh = self.start("CALL /* my own */ refresh_mv.run()")
        seen = self.check_texts(refresh, ["big", '"it\'s ""slow"""', "fails"])
        self.assertIn((2, "running its query", 0), seen)
        self.check_after(refresh, psycopg2.errorcodes.DIVISION_BY_ZERO)

    def test_errors(self):
        """The own statement is back after errors of each entry point."""
        execute(self.watcher, "UPDATE divisor SET n = 0")
        refresh = self.start("SELECT refresh_materialized_views(views => '{fails}') AS my_own")
        self.check_after(refresh)
        refresh = self.start("SELECT refresh_mv.refresh_where('big', '1 / (id - id) > 0') AS my_own")
        self.check_after(refresh, psycopg2.errorcodes.DIVISION_BY_ZERO)
        refresh = self.start(f"SELECT refresh_materialized_views(views => {SLOW}) AS my_own")
        self.watch(refresh, "running its query")
        execute(self.watcher, f"SELECT pg_cancel_backend({refresh.pid})")
        self.check_after(refresh, psycopg2.errorcodes.QUERY_CANCELED)

    def test_warn_after(self):
        """A refresh that takes longer than refresh_mv.warn_after warns, and only then."""
        for setting, expected in (("100ms", 1), ("30s", 0), ("0", 0)):
            with connect() as connection:
                execute(connection, f"SET refresh_mv.warn_after = '{setting}'")
                execute(connection, f"SELECT refresh_materialized_views(views => {SLOW})")
                execute(connection, "SELECT refresh_materialized_views(views => '{fails}')")
                warnings = [text for text in connection.notices if text.startswith("WARNING")]
            self.assertEqual(len(warnings), expected, warnings)
            for warning in warnings:
                self.assertRegex(warning, r'^WARNING:  refresh of materialized view "it\'s ""slow""" took'
                                          r' 0\.[4-9] seconds, longer than refresh_mv\.warn_after$')


class CancelTest(Case):
    """How a refresh is ended."""

    def cancel_in(self, phase, view, sql, *settings):
        """Cancels a refresh in a phase: it ends soon and leaves the view alone."""
        before = self.fingerprint(view)
        count = self.refreshed(view)
        refresh = self.start(sql, *settings)
        self.watch(refresh, phase)
        start = time.monotonic()
        execute(self.watcher, f"SELECT pg_cancel_backend({refresh.pid})")
        refresh.join()
        took = refresh.ended - start
        self.assertEqual(refresh.error and refresh.error.pgcode, psycopg2.errorcodes.QUERY_CANCELED, phase)
        self.assertLess(took, SLOWEST, phase)
        self.assertEqual(self.fingerprint(view), before, phase)
        self.assertEqual(self.refreshed(view), count, phase)
        print(f"cancelled while {phase}: ended after {took * 1000:.0f} ms")

    def time_out(self, view, sql, *settings):
        """Lets statement_timeout end a refresh, at moments spread over the time that it takes."""
        before = self.fingerprint(view)
        count = self.refreshed(view)
        phases = set()
        timeout = 100  # milliseconds
        times = 0
        slowest = 0
        while True:
            timeout = timeout * 3 // 2
            refresh = Refresh(sql, *settings, f"SET statement_timeout = {timeout}")
            self.addCleanup(refresh.close)
            start = time.monotonic()
            refresh.start()
            texts = self.watch(refresh)
            if refresh.error is None:
                break
            took = refresh.ended - start - timeout / 1000
            self.assertEqual(refresh.error.pgcode, psycopg2.errorcodes.QUERY_CANCELED)
            self.assertLess(took, SLOWEST, texts[-1])
            if self.fingerprint(view) != before:
                self.assertEqual(self.refreshed(view), count + 1, texts)  # committed just before
                break
            self.assertEqual(self.refreshed(view), count)
            phases |= {match[4] for match in list(filter(None, map(TEXT.fullmatch, texts)))[-1:]}
            slowest = max(slowest, took)
            times += 1
        self.assertNotEqual(self.fingerprint(view), before)
        self.assertTrue(phases)
        print(f"statement_timeout: {times} times, at most {slowest * 1000:.0f} ms late,"
              f" while {', '.join(sorted(phases))}")

    def test_query(self):
        """The view's own query."""
        execute(self.watcher, "UPDATE nap SET seconds = 60")
        view = '"it\'s ""slow"""'
        self.cancel_in("running its query", view, f"SELECT refresh_materialized_views(views => {SLOW})")
        self.cancel_in("running its query", view, f"CALL refresh_mv.run(views => {SLOW})")
        start = time.monotonic()
        refresh = self.start(f"CALL refresh_mv.run(views => {SLOW})", "SET statement_timeout = 200")
        refresh.join()
        self.assertEqual(refresh.error.pgcode, psycopg2.errorcodes.QUERY_CANCELED)
        self.assertLess(refresh.ended - start, 0.2 + SLOWEST)

    def test_merge(self):
        """All that a merge does, with little memory."""
        execute(self.watcher, CHANGE_SOME)
        sql = "SELECT refresh_materialized_views(views => '{big}')"
        for phase in ("reading the view", "running its query", "comparing",
                      "deleting", "updating", "inserting"):
            self.cancel_in(phase, "big", sql, LOW_MEMORY)
        self.time_out("big", sql, LOW_MEMORY)

    def test_swap(self):
        """All that writing a new file does."""
        execute(self.watcher, "UPDATE facts SET n = n + 1")
        sql = "CALL refresh_mv.run('full', views => '{big}')"
        for phase in ("comparing", "writing a new file", "building indexes"):
            self.cancel_in(phase, "big", sql, LOW_MEMORY)
        self.time_out("big", sql, LOW_MEMORY)


if __name__ == "__main__":
    unittest.main()
