"""Databases and connections that are there for a fuzzer alone."""
import contextlib
import re
import time

import psycopg2
from psycopg2 import extensions

from script import Failure

IDLE, INTRANS, FAILED = (extensions.TRANSACTION_STATUS_IDLE, extensions.TRANSACTION_STATUS_INTRANS,
                         extensions.TRANSACTION_STATUS_INERROR)
PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
RECOVERS = re.compile("recovery mode|starting up|not yet accepting|server closed the connection")  # the server, after a crash


def patiently(what):
    """What a function returns; while the server recovers from a crash, it is called again."""
    end = time.monotonic() + 60
    while True:
        try:
            return what()
        except psycopg2.OperationalError as error:
            if not RECOVERS.search(str(error)) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def connect(database, settings=""):
    """A connection in autocommit."""
    connection = patiently(lambda: psycopg2.connect(dbname=database, options=settings))
    connection.autocommit = True
    return connection


def run_all(database, statements):
    """Executes statements in a session of their own; returns the rows of the last one, if there are any."""
    with contextlib.closing(connect(database)) as connection, connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def execute(database, *statements):
    """The same, all over again if the server crashes meanwhile."""
    return patiently(lambda: run_all(database, statements))


def drop_database(database):
    """Drops a database, with the prepared transactions that it has, if it is there."""
    if execute("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{database}'"):
        for name, in execute(database, PREPARED):
            execute(database, f"ROLLBACK PREPARED '{name}'")
        execute("postgres", f"DROP DATABASE {database} WITH (FORCE)")


def create_database(database, template=None):
    """Creates a database anew: a copy of another one, or one that has the extension and nothing else."""
    drop_database(database)
    execute("postgres", f"CREATE DATABASE {database}" + (f" TEMPLATE {template}" if template else ""))
    if not template:
        execute(database, "CREATE EXTENSION refresh_mv")


class Connection:
    """A connection; transactions are begun and ended by the statements themselves."""

    def __init__(self, database, settings):
        self.connection = connect(database, settings)
        self.cursor = self.connection.cursor()

    def is_lost(self):
        """True if the server has ended it."""
        with contextlib.suppress(psycopg2.Error):
            self.cursor.execute("SELECT 1")
        return bool(self.connection.closed)

    def status(self):
        """idle, in a transaction, or in a failed one."""
        return self.connection.info.transaction_status


class Session(Connection):
    """A connection that can go on after errors."""

    def __init__(self, database, settings):
        super().__init__(database, settings)
        self.rows = None           # of the last attempt

    def execute(self, sql, arguments=None):
        """Returns the rows, if there are any."""
        self.cursor.execute(sql, arguments)
        return self.cursor.fetchall() if self.cursor.description else None

    def attempt(self, sql, guarded=True):
        """Executes a statement: the SQLSTATE and message of its error, or None."""
        guarded = guarded and self.status() == INTRANS
        if guarded:
            self.execute("SAVEPOINT guard")
        try:
            self.rows = self.execute(sql)
        except psycopg2.Error as error:
            if self.connection.closed:
                raise Failure("crash", f"the server has closed the connection in: {sql}") from error
            if guarded and self.status() != IDLE:   # a COMMIT has ended it
                self.execute("ROLLBACK TO guard; RELEASE guard")
            return error.pgcode, str(error).strip()
        if guarded and self.status() == INTRANS:
            self.execute("RELEASE guard")
        return None
