"""Executes the steps of a script in a database of their own, and checks what comes of it."""
import collections
import os
import re
import time

from script import Failure, Outgrown
from session import IDLE, INTRANS, Session, create_database, drop_database

TEMPLATE = f"refresh_mv_fuzz_{os.getpid()}"
SETTINGS = ("-c lock_timeout=30ms -c statement_timeout=15s -c client_min_messages=error -c jit=off"
            " -c max_parallel_workers_per_gather=0")
NEVER = ("XX", "53", "58", "57", "08")      # classes of SQLSTATE that are bugs, whatever was done
JOURNAL = """SELECT id, to_regclass(quote_ident(view_schema) || '.' || quote_ident(view_name))::text,
                    method, reason, success, sqlstate, message, source
             FROM refresh_mv.journal WHERE id > %s ORDER BY id"""
STANDING = """SELECT format('%I.%I', schema, name)::regclass::text, stale, unknown_reason, pending_changes
              FROM refresh_mv.status WHERE tracked"""
# A reason for a full refresh that is an error nobody has thought of.  (What is computed of rows that were there in
# neither state, which signed terms can join, may fail as data of the view would; so may a node that the view's query
# has no need of.)
SUSPICIOUS = re.compile("failed with SQLSTATE (?!22)|does not exist|unrecognized|could not|ambiguous|invalid|must be|not found|unexpected"
                        "|cache lookup|variable|violates|duplicate|no state of its groups could(?! be made: it failed with SQLSTATE 22)|permission|type")
ON_COMMIT = "SELECT 1 FROM refresh_mv.tracked WHERE on_commit"
# Reasons that lie in a view's query, so that it will be refreshed in full again.
SHAPE = re.compile("serve as an anchor|reads as a whole|tells which rows|LIMIT|grouping sets|others depend on"
                   "|reads a partition")
ORPHANS = """SELECT relname FROM pg_class WHERE relnamespace = 'refresh_mv'::regnamespace AND relkind = 'r'
             AND relname ~ '^group_(state|values)_' AND NOT EXISTS (
                 SELECT FROM refresh_mv.tracked t WHERE t.view = substring(relname FROM '[0-9]+')::oid)"""


class Runner:
    """Executes steps; those that were executed are in script."""

    def __init__(self, database, report):
        self.database = database
        self.report = report
        self.script, self.errors = [], []
        self.last, self.seen = 0, 0  # of the journal
        self.shapeless = collections.Counter()  # views: how often they were full for their query's sake
        create_database(database, TEMPLATE)
        self.sessions = [Session(database, SETTINGS), Session(database, SETTINGS)]
        self.main = self.sessions[0]
        self.main.execute("LOAD 'refresh_mv'")

    def close(self):
        """Leaves nothing behind."""
        for session in self.sessions:
            session.connection.close()
        drop_database(self.database)

    def existing(self):
        """The names of the materialized views that there are."""
        return {name for name, in self.main.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'm' AND relnamespace = 'public'::regnamespace")}

    def run(self, step):
        """Executes a step; returns the SQLSTATE and message of its error, or None."""
        self.script.append(step)
        self.errors.append(None)
        session = self.sessions[step.session]
        self.limit_waits()
        existing = None
        if step.kind == "refresh":
            existing = self.existing() if self.main.status() in (IDLE, INTRANS) else set()
            if not existing.intersection(step.views):
                return None
            self.last = self.main.execute("SELECT coalesce(max(id), 0) FROM refresh_mv.journal")[0][0]
            before = self.outside(step) if step.mode == "window" else None
            for view in sorted(existing.intersection(step.views)):
                self.compare_live(view)
        error = None if step.kind == "look" else session.attempt(step.text(existing), step.guarded)
        self.errors[-1] = error and error[0]
        if step.kind == "refresh":
            self.check_time(error, existing.intersection(step.views))
        if error and error[0].startswith(NEVER) and error[0] != "57014":
            raise Failure(f"error {error[0]}", f"{error[1]}\nin {step.text(existing)}")
        if step.kind == "refresh":
            self.check_refresh(step, existing.intersection(step.views), error, before)
        elif step.kind == "look":
            self.look()
        return error

    # ------------------------------------------------------------------ checks

    def check_time(self, error, views):
        """Ends the scenario where statement_timeout has struck and core's REFRESH of the views, in their order, takes a third of it, too."""
        if error is None or error[0] != "57014" or self.main.status() not in (IDLE, INTRANS):
            return
        begin, end = ("SAVEPOINT core", "ROLLBACK TO core; RELEASE core") if self.main.status() == INTRANS else ("BEGIN", "ROLLBACK")
        self.main.execute(f"{begin}; SET LOCAL statement_timeout = '5s'")
        start = time.monotonic()
        for view, in self.main.execute("SELECT v FROM unnest(%s) v ORDER BY v::regclass::oid", [list(views)]):
            self.main.attempt(f"REFRESH MATERIALIZED VIEW {view}")
            if time.monotonic() - start > 5:
                raise Outgrown(view)
        self.main.execute(end)

    def query(self, view):
        """The view's query."""
        return self.main.execute("SELECT rtrim(pg_get_viewdef(%s::regclass), ';')", [view])[0][0]

    def compare(self, view, how, where="true"):
        """Fails unless the view holds what its query returns."""
        query = self.query(view)
        sql = (f"SELECT sum(n), r FROM (SELECT v::text AS r, -1 AS n FROM {view} v WHERE {where}"
               f" UNION ALL SELECT v::text, 1 FROM ({query}) v WHERE {where}) d"
               " GROUP BY r HAVING sum(n) <> 0 ORDER BY r")
        error = self.main.attempt(sql)
        if error:
            self.check_time(error, [view])
            if not error[0].startswith("22"):
                raise Failure(f"query {error[0]}", f"{view} after {how}: its query fails: {error[1]}", view, query)
            self.report.uncomparable[error[0]] += 1
            return
        difference = self.main.rows
        self.report.comparisons += 1
        if difference:
            rows = [f"  {abs(n)} {'missing' if n > 0 else 'extra'}: {row}" for n, row in difference[:8]]
            raise Failure("wrong", "\n".join([f"{view} is wrong after {how}:", *rows]), view, query)

    def compare_live(self, view):
        """Fails if live() tells other rows than the view's query returns; it may refuse to tell."""
        query = self.query(view)
        source = f"refresh_mv.live(NULL::{view})"
        source = source if self.report.comparisons % 2 else f"(SELECT * FROM {source} OFFSET 0)"
        error = self.main.attempt(f"SELECT sum(n), r FROM (SELECT v::text AS r, -1 AS n FROM {source} v"
                                  f" UNION ALL SELECT v::text, 1 FROM ({query}) v) d"
                                  " GROUP BY r HAVING sum(n) <> 0 ORDER BY r")
        if error:
            self.check_time(error, [view])
            if not error[0].startswith("22") and error[0] not in ("55000", "53400", "40001", "55P03"):
                raise Failure(f"live {error[0]}", f"{view}: {error[1]}", view, query)
            self.report.live[error[0]] += 1
            return
        self.report.live["told"] += 1
        self.report.comparisons += 1
        if self.main.rows:
            rows = [f"  {abs(n)} {'missing' if n > 0 else 'extra'}: {row}" for n, row in self.main.rows[:8]]
            raise Failure("live", "\n".join([f"live() of {view} is wrong:", *rows]), view, query)

    def outside(self, step):
        """A condition for the rows that a window of these days cannot reach, and these rows as text; None if it goes by another column."""
        (view,) = step.views
        if not self.main.execute("SELECT 1 FROM refresh_mv.settings WHERE date_column = 'c0' AND"
                                 " to_regclass(format('%%I.%%I', view_schema, view_name)) = %s::regclass", [view]):
            return None
        (start,), = self.main.execute(  # as far back as the bucket before the window, and a month
            f"SELECT CASE WHEN count(c0) > 0 THEN least(current_date - {step.days + 62}, max(c0)::date) END"
            f" FROM {view} WHERE c0 < current_date - {step.days - 1}")
        where = f"c0 < '{start}'::date" if start else "false"
        return where, self.main.execute(f"SELECT v::text FROM {view} v WHERE {where} ORDER BY 1")

    def check_refresh(self, step, views, error, before):
        """Looks at what the journal says of a refresh, and at the views."""
        if self.main.status() not in (IDLE, INTRANS):
            return
        journal = {}
        for _, view, method, reason, success, state, message, source in self.main.execute(JOURNAL, [self.last]):
            if source != "on commit":
                journal[view] = method, reason, success, state, message
        if error and not error[1].startswith(("ERROR:  refresh of", "refresh of")) and not journal:
            raise Failure(f"call {error[0]}", f"{error[1]}\nin {step.text(views)}")
        standing = {view: rest for view, *rest in self.main.execute(STANDING)}
        for view in sorted(views):
            if step.mode == "statement" and error:
                self.check_error(step, view, *error)
                continue
            if step.mode == "statement" and view not in journal and self.is_repeatable():
                self.report.expected["REFRESH by core under REPEATABLE READ"] += 1
                self.compare(view, "REFRESH by core")
                continue
            if view not in journal:
                raise Failure("history", f"{view} is not in the history of {step.text(views)}")
            self.check_view(step, view, journal[view], standing.get(view), before)

    def check_view(self, step, view, entry, standing, before):
        """Looks at one view that was refreshed."""
        method, reason, success, state, message = entry
        how = f"{step.mode}: {method} ({reason})"
        self.report.count(step.mode, method, reason, success, standing is not None)
        self.shapeless[view] += method == "full" and bool(SHAPE.search(reason))
        if SUSPICIOUS.search(reason) and reason != message:  # that is an error, and seen to below
            raise Failure(f"reason {SUSPICIOUS.search(reason)[0]}", f"{view}: {how}: {message}", view, self.query(view))
        if not success:
            self.check_error(step, view, state, message)
            return
        if standing is not None and standing[0] and self.main.execute(ON_COMMIT):
            return  # a view that it reads was refreshed when this refresh committed
        if method == "none":
            if "locked by another session" not in reason or not self.second_is_writing():
                raise Failure("none", f"{view} after {how}")
            return
        if method == "window" and before is not None:
            self.compare(view, how, f"c0 >= current_date - {step.days}")
            where, rows = before
            if self.main.execute(f"SELECT v::text FROM {view} v WHERE {where} ORDER BY 1") != rows:
                raise Failure("outside", f"{view}: rows outside of the window have changed")
        elif method != "window":
            self.compare(view, how)
        if step.mode == "statement" and method not in ("skip", "delta", "keys", "full", "rebuild"):
            raise Failure("method", f"{view}: REFRESH by {method}")
        if standing is not None and step.mode in ("smart", "statement"):
            stale, unknown, pending = standing
            if method in ("delta", "keys", "skip") and (stale or unknown or pending):
                raise Failure(f"pending, {unknown}", f"{view} after {how}: stale {stale}, pending {pending}, unknown: {unknown}")
            if pending:
                raise Failure("pending", f"{view} after {how}: {pending} changes are pending")

    def check_error(self, step, view, state, message):
        """A refresh may fail if core's does, too, in the same way."""
        if message and "upstream" in message:
            return
        if state and state.startswith(NEVER):
            raise Failure(f"error {state}", f"{view}: {message}")
        if state == "55P03" and self.second_is_writing():
            self.report.expected["55P03 while another session writes"] += 1
            return
        if state == "40001" and self.is_repeatable():
            self.report.expected["40001 under REPEATABLE READ"] += 1
            return
        inside = self.main.status() == INTRANS
        self.main.execute("SAVEPOINT core" if inside else "BEGIN")
        core = self.main.attempt(f"REFRESH MATERIALIZED VIEW {view}")
        self.main.execute("ROLLBACK TO core" if inside else "ROLLBACK")
        if core is None or core[0] != state:
            raise Failure(f"refresh {state}", f"{view}: {step.mode} fails ({state} {message}), REFRESH: {core}")
        self.report.expected[f"{state} as core's REFRESH"] += 1

    def limit_waits(self):
        """Makes the first session wait for no lock of the second's, but for an autovacuum's."""
        if self.main.status() in (IDLE, INTRANS):
            self.main.execute(f"SET lock_timeout = '{'30ms' if self.second_is_writing() else '10s'}'")

    def is_repeatable(self):
        """True if the first session keeps its snapshot."""
        return self.main.execute("SHOW transaction_isolation") == [("repeatable read",)]

    def second_is_writing(self):
        """True if the second session has an open or prepared transaction."""
        return self.sessions[1].status() != IDLE or bool(self.main.execute("SELECT 1 FROM pg_prepared_xacts"
                                                                           " WHERE database = current_database()"))

    def look(self):
        """A view that is not stale is right; nothing is left of views that are gone."""
        if self.main.status() not in (IDLE, INTRANS):
            return
        for ident, view, method, reason, success, state, message, source in self.main.execute(JOURNAL, [self.seen]):
            self.seen = ident
            if source == "on commit":
                self.report.count("on commit", method, reason, success, True)
                if not success and (state or "XX").startswith(NEVER):
                    raise Failure(f"error {state}", f"{view} on commit: {message}")
        for view, stale, unknown, _ in self.main.execute(STANDING):
            if stale is False and unknown is None:
                self.compare(view, "the status says that it is not stale")
            self.compare_live(view)
        orphans = self.main.execute(ORPHANS)
        if orphans:
            raise Failure("orphans", f"tables are left: {orphans}")


class Report:
    """Counts."""

    def __init__(self):
        self.methods = collections.Counter()      # (mode, method)
        self.reasons = collections.Counter()
        self.expected, self.uncomparable, self.untracked = (collections.Counter() for _ in range(3))
        self.comparisons = 0
        self.attempts, self.views, self.schemas = 0, 0, 0
        self.refused = collections.Counter()         # SQLSTATE
        self.live = collections.Counter()            # SQLSTATE, or that live() has told the rows

    def count(self, mode, method, reason, success, tracked):
        """Counts a refresh of a view."""
        self.methods[mode if tracked else f"{mode}, not tracked", method if success else "failed"] += 1
        if mode in ("smart", "on commit") and tracked and method in ("full", "rebuild"):
            self.reasons[re.sub(r"\d+ changes? in the log, but |\bt\w*\d|renamed\d+", "", reason)] += 1

    @property
    def refreshes(self):
        """Those that had something to do."""
        return sum(number for (_, method), number in self.methods.items() if method not in ("skip", "none", "failed"))
