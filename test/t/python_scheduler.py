#!/usr/bin/python3
"""Tests what Python schedulers do with refreshes: psycopg2, SQLAlchemy, and doc/scheduler.py."""
import contextlib
import importlib.util
import os
import subprocess
import sys
import unittest

import psycopg2
import psycopg2.errorcodes
import psycopg2.extras
import sqlalchemy

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATABASE = "refresh_mv_python"
SMART = "SELECT * FROM refresh_materialized_views_smart()"
ALL = "SELECT * FROM refresh_materialized_views()"
TYPES = {"success": bool, "views_refreshed": list, "duration_seconds": float,
         "refresh_type": str, "message": str}
SETUP = """
    CREATE EXTENSION refresh_mv;
    CREATE TABLE facts (day date, n integer);
    INSERT INTO facts SELECT current_date - i, i FROM generate_series(1, 9) AS i;
    CREATE MATERIALIZED VIEW daily AS SELECT day, sum(n) AS n FROM facts GROUP BY day;
    CREATE MATERIALIZED VIEW "Odd ""name" AS SELECT count(*) AS n, 1 / (20 - count(*)) AS x FROM facts;
"""


def connect(**arguments):
    """A connection to this test's database, in autocommit."""
    connection = psycopg2.connect(**{"dbname": DATABASE, **arguments})
    connection.autocommit = True
    return contextlib.closing(connection)


def execute(sql, **arguments):
    """Runs SQL; returns the rows, if it returns any."""
    with connect(**arguments) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def load_scheduler():
    """The module doc/scheduler.py."""
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("scheduler", os.path.join(ROOT, "doc/scheduler.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Case(unittest.TestCase):
    """A database made anew for each test."""

    def setUp(self):
        execute(f"DROP DATABASE IF EXISTS {DATABASE}", dbname="postgres")
        execute(f"CREATE DATABASE {DATABASE}", dbname="postgres")
        execute(SETUP)
        self.engine = sqlalchemy.create_engine("postgresql+psycopg2:///" + DATABASE)
        self.addCleanup(self.engine.dispose)

    def add_facts(self, rows):
        """Adds rows; with 20 in all, the view of the odd name fails."""
        execute(f"INSERT INTO facts SELECT current_date, 1 FROM generate_series(1, {rows})")

    def check_row(self, row, success=True):
        """The result row has just the keys and the types that schedulers go by."""
        self.assertEqual(list(row), list(TYPES))
        self.assertEqual({key: type(value) for key, value in row.items()}, TYPES)
        self.assertIs(row["success"], success)
        self.assertGreater(row["duration_seconds"], 0)
        self.assertEqual(sorted(row["views_refreshed"]),
                         ['"Odd ""name"', "daily"] if success else ["daily"])

    def check_views(self):
        """The views are up to date."""
        self.assertEqual(execute('SELECT n FROM "Odd ""name"'), execute("SELECT count(*) FROM facts"))
        self.assertEqual(execute("SELECT sum(n) FROM daily"), execute("SELECT sum(n) FROM facts"))


class Psycopg2Test(Case):
    """psycopg2."""

    def call(self, connection, sql):
        """The result row as a dict."""
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(sql)
            return dict(cursor.fetchone())

    def test_row(self):
        """Both functions return a row that is a good dict, success or not."""
        for sql in (SMART, ALL):
            self.add_facts(1)
            with connect() as connection:
                row = self.call(connection, sql)
            self.check_row(row)
            self.assertIn(row["refresh_type"], ("full", "mixed"))
            self.assertEqual(row["message"], "2 materialized views refreshed")
            self.check_views()
        self.add_facts(9)
        with connect() as connection:
            row = self.call(connection, SMART)
        self.check_row(row, success=False)
        self.assertEqual(row["message"], '1 of 2 materialized views failed; "Odd ""name": division by zero')

    def test_row_in_transaction(self):
        """A refresh is part of psycopg2's implicit transaction."""
        self.add_facts(1)
        with contextlib.closing(psycopg2.connect(dbname=DATABASE)) as connection:
            self.check_row(self.call(connection, SMART))
            connection.rollback()
            self.assertEqual(execute("SELECT sum(n) FROM daily"), [(45,)])
            self.check_row(self.call(connection, SMART))
            connection.commit()
        self.check_views()

    def test_run(self):
        """The procedure works in autocommit, and says what is wrong in a transaction."""
        self.add_facts(1)
        execute("CALL refresh_mv.run()")
        self.check_views()
        self.add_facts(1)
        with contextlib.closing(psycopg2.connect(dbname=DATABASE)) as connection:
            with connection.cursor() as cursor, self.assertRaises(psycopg2.Error) as caught:
                cursor.execute("CALL refresh_mv.run()")
        self.check_run_refused(caught.exception)

    def check_run_refused(self, error):
        """The error names the way out, and nothing has been refreshed."""
        self.assertEqual(error.pgcode, psycopg2.errorcodes.ACTIVE_SQL_TRANSACTION)
        self.assertEqual(error.diag.message_primary,
                         "refresh_mv.run() cannot be called inside a transaction block or a function")
        self.assertIn("refresh_materialized_views_smart()", error.diag.message_hint)
        self.assertEqual(execute("SELECT count(*) FROM refresh_mv.history WHERE run > 1"), [(0,)])

    def test_run_fails(self):
        """The procedure raises the failing view's error, after the other view."""
        self.add_facts(11)
        with self.assertRaises(psycopg2.Error) as caught:
            execute("CALL refresh_mv.run()")
        self.assertEqual(caught.exception.pgcode, psycopg2.errorcodes.DIVISION_BY_ZERO)
        self.assertEqual(caught.exception.diag.message_primary,
                         '1 of 2 materialized views could not be refreshed: "Odd ""name"')
        self.assertEqual(execute("SELECT sum(n) FROM daily"), [(56,)])


class SqlAlchemyTest(Case):
    """SQLAlchemy 1.4, with its legacy rows and with the mappings of 2.0."""

    def test_row(self):
        """The row is a good dict in both styles, and a commit keeps the refresh."""
        self.add_facts(1)
        with self.engine.begin() as connection:
            result = connection.execute(sqlalchemy.text(SMART))
            self.assertEqual(list(result.keys()), list(TYPES))
            row = result.fetchone()
            if sqlalchemy.__version__.startswith("1."):
                self.check_row(dict(row))
            self.check_row(dict(row._mapping))
            self.assertEqual(row.message, "2 materialized views refreshed")
        self.check_views()

    def test_run(self):
        """The procedure works in autocommit, and not in SQLAlchemy's transaction."""
        self.add_facts(1)
        with self.engine.connect() as connection, self.assertRaises(sqlalchemy.exc.DBAPIError) as caught:
            connection.execute(sqlalchemy.text("CALL refresh_mv.run()"))
        Psycopg2Test.check_run_refused(self, caught.exception.orig)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sqlalchemy.text("CALL refresh_mv.run()"))
        self.check_views()


class SchedulerTest(Case):
    """doc/scheduler.py."""

    def test_one_round(self):
        """A round refreshes the views and logs the row; a failing view is an error."""
        scheduler = load_scheduler()
        self.add_facts(1)
        with self.assertLogs(level="INFO") as logs:
            scheduler.loop("dbname=" + DATABASE, 60, rounds=1)
        self.assertRegex(logs.output[0],
                         r"^INFO:root:\w+ refresh in \d+\.\d\d s: 2 materialized views refreshed$")
        self.assertEqual(len(logs.output), 1)
        self.check_views()
        self.add_facts(10)
        with self.assertLogs(level="INFO") as logs:
            scheduler.loop("dbname=" + DATABASE, 60, rounds=1)
        self.assertRegex(logs.output[0], r"^ERROR:root:.*1 of 2 materialized views failed.*division by zero$")

    def test_lost_connection(self):
        """It goes on after its connection was ended, and where there is no server."""
        scheduler = load_scheduler()
        execute("CREATE FUNCTION lose_connection() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN"
                " PERFORM nextval('public.lost'); PERFORM pg_terminate_backend(pg_backend_pid());"
                " PERFORM pg_sleep(60); RETURN 1; END $$;"
                " CREATE SEQUENCE lost;"
                " CREATE MATERIALIZED VIEW loses AS SELECT lose_connection() WITH NO DATA;")
        with self.assertLogs(level="INFO") as logs:
            scheduler.loop("dbname=" + DATABASE, 0.1, rounds=2)
        self.assertEqual(len(logs.output), 2)
        for line in logs.output:
            self.assertRegex(line, "^ERROR:root:refresh failed: .*(terminating|closed the) connection")
        self.assertEqual(execute("SELECT last_value FROM lost"), [(2,)])
        with self.assertLogs(level="INFO") as logs:
            scheduler.loop("host=/nonexistent dbname=" + DATABASE, 0, rounds=2)
        self.assertEqual(len(logs.output), 2)
        self.assertRegex(logs.output[1], "^ERROR:root:refresh failed: .*No such file")

    def test_endless(self):
        """As a program it starts one round after the other."""
        with subprocess.Popen([sys.executable, os.path.join(ROOT, "doc/scheduler.py"), "0.1",
                               "dbname=" + DATABASE], stderr=subprocess.PIPE, text=True) as process:
            lines = [process.stderr.readline() for _ in range(3)]
            process.terminate()
            process.communicate(timeout=10)
        for line in lines:
            self.assertRegex(line,
                             r"^[-0-9]+ [:,0-9]+ INFO \w+ refresh in .*: 2 materialized views refreshed$")
        self.assertGreaterEqual(execute("SELECT count(DISTINCT run) FROM refresh_mv.history")[0][0], 3)


if __name__ == "__main__":
    unittest.main()
