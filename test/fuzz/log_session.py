"""Sessions of which it is known what their transactions do to the views' changes."""
import io
import os

import psycopg2
from psycopg2 import errorcodes

from script import Failure, plain
from session import Connection, FAILED, IDLE, INTRANS

DATABASE = f"refresh_mv_log_fuzz_{os.getpid()}"
SETTINGS = "-c lock_timeout=5ms -c statement_timeout=20s -c client_min_messages=error"
# What may go wrong with a statement that fits no better than random ones do.
EXPECTED = {
    errorcodes.UNIQUE_VIOLATION, errorcodes.FOREIGN_KEY_VIOLATION, errorcodes.NOT_NULL_VIOLATION,
    errorcodes.CHECK_VIOLATION, errorcodes.LOCK_NOT_AVAILABLE, errorcodes.SERIALIZATION_FAILURE,
    errorcodes.TRIGGERED_DATA_CHANGE_VIOLATION, errorcodes.CARDINALITY_VIOLATION,
    errorcodes.NUMERIC_VALUE_OUT_OF_RANGE, errorcodes.DIVISION_BY_ZERO,
    errorcodes.IN_FAILED_SQL_TRANSACTION,
    errorcodes.INVALID_CURSOR_STATE,  # WHERE CURRENT OF on a partition that was pruned
    errorcodes.OBJECT_IN_USE,       # TRUNCATE with pending trigger events
    errorcodes.FEATURE_NOT_SUPPORTED,  # a BEFORE trigger may not move a row to another partition
}

MEMBER_ALREADY = "is not a parent of", "is not a partition of", "is already a partition", "inherited from more than once"


class View:
    """A tracked view and what is known of it."""

    def __init__(self, name, query, tables, source=None, *, keyless=False, on_commit=False, only=""):
        self.name = name
        self.query = query
        self.tables = tables    # that it reads
        self.source = source    # the relation whose changes are checked, if any
        self.rows = f"{only}{source}"  # what to read for its rows
        self.keyless = keyless  # it is a materialized view
        self.on_commit = on_commit
        self.unknown = []       # (time, why) of what makes its changes unknown since its baseline
        self.writes = 0         # statements since then or since its last check


class LogSession(Connection):
    """A connection, and what its open transaction will have done to the views if it commits."""

    def __init__(self, scenario, name):
        super().__init__(DATABASE, SETTINGS)
        self.scenario = scenario
        self.name = name
        self.error = self.message = None  # of the last statement
        self.clear()

    def clear(self):
        """No transaction is open."""
        self.effects = []     # ("unknown", table, why, None) or ("baseline", view, None, time)
        self.savepoints = []  # (name, number of effects then)
        self.snapshot = None  # the time of the transaction's snapshot, if it keeps one
        self.limited = False  # has a statement been ended by its caller?

    @property
    def idle(self):
        """No transaction is open."""
        return self.status() == IDLE

    @property
    def failed(self):
        """The open transaction has failed."""
        return self.status() == FAILED

    def execute(self, sql, copy=None, also=None):
        """Runs a statement; returns its rows, True, or None if it failed in an expected way, or with
        the SQLSTATE also."""
        sql = plain(sql)
        self.scenario.note(self, sql if copy is None else sql + "\n" + copy + "\\.")
        try:
            if copy is None:
                self.cursor.execute(sql)
            else:
                self.cursor.copy_expert(sql, io.StringIO(copy))
        except psycopg2.Error as error:
            if self.connection.closed:
                raise Failure("crash", f"{self.name}: the server has closed the connection in: {sql}") from error
            self.scenario.note(self, f"-- {error.pgcode} {str(error).splitlines()[0]}", comment=True)
            self.scenario.errors[error.pgcode] += 1
            if error.pgcode not in EXPECTED and error.pgcode != also and not self.tolerable(error):
                raise Failure(f"error {error.pgcode}", f"{self.name}: {error.pgcode} {error}") from error
            self.error = error
            return None
        self.message = self.cursor.statusmessage
        return self.cursor.fetchall() if self.cursor.description else True

    @staticmethod
    def tolerable(error):
        """What core raises as an internal error, with no extension in sight; or where the session itself has taken a member
        out of a tree, or back, and nobody else has seen that yet."""
        return (error.pgcode == errorcodes.INTERNAL_ERROR and "self-updated tuple" in str(error)
                or any(text in str(error) for text in MEMBER_ALREADY))

    def write(self, sql, unknown=(), copy=None):
        """Runs a statement that changes tables; unknown: what it makes unknown, as (table, why). It may take too long: triggers
        of a scenario can go round in circles."""
        if self.status() == INTRANS and self.snapshot == "next":
            self.snapshot = self.scenario.tick()
        if self.execute(sql, copy, errorcodes.QUERY_CANCELED) is not None:
            self.effects += [("unknown", table, why, None) for table, why in unknown]
        if self.idle:
            self.committed()

    def committed(self):
        """Does to the views what the transaction has done to them."""
        self.scenario.apply(self.effects)
        self.clear()

    def begin(self, level):
        """Starts a transaction."""
        self.execute(f"BEGIN ISOLATION LEVEL {level}")
        self.clear()
        self.snapshot = None if level == "READ COMMITTED" else "next"

    def end(self, command):
        """COMMIT or ROLLBACK; True if it was committed."""
        result = self.execute(command)
        done = result is not None and self.message == "COMMIT"
        if not self.idle:
            self.execute("ROLLBACK")
        if done:
            self.committed()
        self.clear()
        return done

    def prepare(self, name):
        """PREPARE TRANSACTION; returns the effects, or None if that failed."""
        effects = self.effects
        done = self.execute(f"PREPARE TRANSACTION '{name}'") is not None and self.message == "PREPARE TRANSACTION"
        if not self.idle:
            self.execute("ROLLBACK")
        self.clear()
        return effects if done else None

    def savepoint(self, name):
        """SAVEPOINT."""
        if self.execute(f"SAVEPOINT {name}"):
            self.savepoints.append((name, len(self.effects)))

    def rollback_to(self, number):
        """ROLLBACK TO one of the savepoints."""
        name, effects = self.savepoints[number]
        if self.execute(f"ROLLBACK TO {name}"):
            del self.savepoints[number + 1:]
            del self.effects[effects:]

    def release(self, number):
        """RELEASE of one of the savepoints."""
        if self.execute(f"RELEASE {self.savepoints[number][0]}"):
            del self.savepoints[number:]
