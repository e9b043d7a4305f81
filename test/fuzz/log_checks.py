"""What must be so in scenarios of the log, whatever has happened."""
import collections
import time

from psycopg2 import errorcodes

from script import Failure


class Checks:
    """Refreshes and checks; a scenario makes the tables, views and sessions, and lets things happen."""

    def __init__(self, dice):
        self.dice = dice
        self.history = []
        self.time = 0
        self.counts = collections.Counter()
        self.errors = collections.Counter()
        self.prepared = {}  # effects by name
        self.was_prepared = False
        self.sessions = []
        self.tables = []
        self.views = []
        self.admin = self.checker = None

    # ----------------------------------------------------------- bookkeeping

    def tick(self):
        """A new moment."""
        self.time += 1
        return self.time

    def note(self, session, sql, comment=False):
        """Adds to the history."""
        self.history.append(f"{sql}" if comment else f"/* {session.name} */ {sql};")

    def apply(self, effects):
        """A transaction has been committed."""
        now = self.tick()
        for kind, what, why, time_of in effects:
            for view in self.views:
                if kind == "unknown" and (what is view or what in view.tables):
                    view.unknown.append((now, why))
                elif kind == "baseline" and what is view:
                    # what others have committed since the baseline's snapshot is new to it
                    view.unknown = [(at, why) for at, why in view.unknown if time_of < at < now]
        for view in self.views:
            view.writes += 1

    def unknown(self, view, session):
        """Why a view's changes may be unknown, as a session sees it."""
        reasons = [why for _, why in view.unknown]
        if view.source and view.source == view.tables[0].detached:
            reasons.append("tracking goes on when no writer is in the way")
        if any(table.left_to_repair for table in view.tables):
            reasons.append("a refresh only repairs the triggers, the next one can build on it")
        if any(table.tree and table.detached for table in view.tables):
            reasons.append("members of a tree are sources, and are to be tracked first")
        for kind, what, why, _ in session.effects:
            if kind == "unknown" and (what is view or what in view.tables):
                reasons.append(why)
            elif kind == "baseline" and what is view:
                reasons = []
        return reasons

    # ------------------------------------------------------------- refreshes

    def refresh(self, session, views, command="smart", expected=None):
        """Refreshes views in a transaction of its own or in the session's, and copies their tables."""
        own = session.idle
        if own:
            session.begin(self.dice.choice(["REPEATABLE READ", "REPEATABLE READ", "READ COMMITTED"]))
        at = self.time if session.snapshot in (None, "next") else session.snapshot
        session.snapshot = at if session.snapshot == "next" else session.snapshot
        refreshed = self.refresh_now(session, views, command, expected)
        if refreshed is None or not self.copy_tables(session, refreshed):
            session.end("ROLLBACK")
            return False
        session.effects += [("baseline", view, None, at) for view in refreshed]
        return (not own or session.end("COMMIT")) and refreshed == views

    def refresh_now(self, session, views, command, expected):
        """Refreshes; returns the views for which that worked, None if the transaction has failed."""
        names = ", ".join(view.name for view in views)
        function = {"smart": "refresh_materialized_views_smart(",
                    "full": "refresh_materialized_views(views => "}[command]
        rows = session.execute(f"SELECT success, message FROM {function}'{{{names}}}')")
        if not rows:
            return None
        done = self.outcomes(session, command, expected)
        if rows[0][0] != (len(done) == len(views)):
            raise Failure("history", f"the refresh says {rows}, the history {done}")
        return [view for view in views if view.name in done]

    def outcomes(self, session, command, expected=None):
        """Looks at what the last run did; returns the names of the views that it has refreshed."""
        done = []
        for name, method, success, sqlstate, message, reason in session.execute(
                "SELECT split_part(view, '.', 2), method, success, sqlstate, message, reason FROM refresh_mv.history"
                " WHERE run = (SELECT max(run) FROM refresh_mv.history)"):
            self.note(session, f"-- {name}: {method}, {success}, {sqlstate}, {message}, {reason}", comment=True)
            if not success:
                if not (sqlstate in (errorcodes.SERIALIZATION_FAILURE, errorcodes.LOCK_NOT_AVAILABLE)
                        or message.startswith("upstream failed")
                        or sqlstate == errorcodes.OBJECT_IN_USE and session.limited):
                    raise Failure(f"refresh {sqlstate}", f"refresh of {name} failed: {sqlstate} {message}")
                self.counts["refresh failed " + sqlstate] += 1
                continue
            self.counts[method] += 1
            if method == "skip" and command == "full":
                raise Failure("method", f"{name} was to be refreshed in full, not by {method}")
            if expected and method not in expected:
                raise Failure("method", f"{name} was refreshed by {method} instead of {expected}: {reason}")
            if method != "none":
                done.append(name)
        return done

    @staticmethod
    def copy_tables(session, views):
        """Copies the views' tables; True if that worked."""
        for view in views:
            if view.source and not session.execute(
                    f"DELETE FROM copies WHERE view = '{view.name}';"
                    f" INSERT INTO copies SELECT '{view.name}', whole::text FROM {view.rows} AS whole"):
                return False
            view.writes = 0
        return True

    def compare(self, session, view):
        """The view must be what its query gives."""
        rows = session.execute(f"""
            WITH new AS MATERIALIZED (SELECT whole::text FROM ({view.query}) AS whole),
                 here AS MATERIALIZED (SELECT whole::text FROM {view.name} AS whole)
            SELECT ARRAY(TABLE new EXCEPT ALL TABLE here), ARRAY(TABLE here EXCEPT ALL TABLE new)""")
        if rows and rows != [([], [])]:
            raise Failure("wrong", f"{view.name} lacks {rows[0][0]} and has {rows[0][1]} too many")
        self.counts["compared"] += rows is not None

    def compare_live(self, view, may_fail):
        """A view refreshed on commit is up to date, unless that has failed (perhaps long ago, when a
        transaction was prepared, or as a whole, by SERIALIZABLE) or DDL has come after it."""
        rows = self.checker.execute(f"""
            SELECT unknown_reason IS NULL AND (SELECT success FROM refresh_mv.history
                                               WHERE view = 'fuzz.{view.name}' ORDER BY started DESC LIMIT 1)
                   AND NOT ({self.was_prepared or may_fail} AND stale)
            FROM refresh_mv.status WHERE schema = 'fuzz' AND name = '{view.name}'""")
        if rows == [(True,)]:
            self.compare(self.checker, view)

    def check_and_refresh(self, view):
        """Checks a view, then refreshes it, which must agree."""
        session = self.checker
        found = self.check(session, view) if view.source else None
        expected = None if found in (None, "unchanged", "perhaps changed") else (
            "full", "rebuild") if found == "unknown" else ("full", "rebuild", "keys", "delta")
        if self.refresh(session, [view], expected=expected):
            self.compare(session, view)

    # ---------------------------------------------------------------- checks

    def check(self, session, view):
        """Rebuilds a view's old table from the present one and the changes; returns what is known of
        the table: "unchanged", "changed", "perhaps changed", "unknown"; None if it could not be done."""
        source = view.source
        reasons = self.unknown(view, session)
        sql = self.rebuild_bag(view) if view.keyless else self.rebuild(view, session)
        rows = sql and session.execute(sql, also=errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE)
        if not rows:
            if session.error.pgcode != errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE:
                return None
            if not reasons:
                raise Failure("unknown", f"the changes of {view.name} are unknown for no reason: {session.error}")
            self.counts["unknown"] += 1
            return "unknown"
        count, keys, missing, excess, changed, changes = rows[0]
        if missing or excess or count != keys:
            raise Failure("old rows", f"{view.name}: the old {source} is not to be had from the changes\n  lacks: {missing}\n"
                        f"  too many: {excess}\n  changes: {changes}")
        if changed and not count:
            raise Failure("no changes", f"{view.name} has no changes, {source} has")
        self.counts["windows"] += 1
        self.counts["empty windows"] += not count
        view.writes = 0
        return "changed" if changed else "perhaps changed" if count else "unchanged"

    @staticmethod
    def rebuild(view, session):
        """The query that rebuilds a view's old table; None if the table is locked. For a partition the
        changes of the whole tree are told, in the form of its root."""
        rows = session.execute(f"""
            WITH root AS (SELECT coalesce(pg_partition_root('{view.source}'), '{view.source}') AS root)
            SELECT root::text,
                   coalesce((SELECT 'whole.' || array_to_string(key, ', whole.') FROM refresh_mv.sources
                             WHERE relation = root), 'NULL'),
                   coalesce(pg_get_partition_constraintdef('{view.source}'::regclass), 'true'),
                   (SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
                    WHERE attrelid = '{view.source}'::regclass AND attnum > 0 AND NOT attisdropped)
            FROM root""")
        if not rows:
            return None
        root, key, bound, columns = rows[0]
        return f"""
            WITH c AS MATERIALIZED (SELECT key, old_row FROM refresh_mv.changes('{view.name}', '{view.source}')),
                 now AS MATERIALIZED (SELECT ROW({key})::text AS key, whole::text AS r FROM {view.rows} AS whole),
                 old AS MATERIALIZED (SELECT r FROM now WHERE key NOT IN (SELECT key FROM c)
                                      UNION ALL SELECT whole::text FROM
                                          (SELECT {columns} FROM (SELECT (old_row::{root}).* FROM c
                                                                  WHERE old_row IS NOT NULL) AS _
                                           WHERE {bound}) AS whole),
                 base AS MATERIALIZED (SELECT r FROM copies WHERE view = '{view.name}')
            SELECT (SELECT count(*) FROM c), (SELECT count(DISTINCT key) FROM c),
                   ARRAY(TABLE base EXCEPT ALL TABLE old), ARRAY(TABLE old EXCEPT ALL TABLE base),
                   EXISTS (SELECT r FROM now EXCEPT ALL TABLE base)
                   OR EXISTS (TABLE base EXCEPT ALL SELECT r FROM now),
                   ARRAY(SELECT c::text FROM c)"""

    @staticmethod
    def rebuild_bag(view):
        """The same where the source is a view, which has no key: of its changes we are told the rows
        that have gone."""
        return f"""
            WITH c AS MATERIALIZED (SELECT key, old_row FROM refresh_mv.changes('{view.name}', '{view.source}')),
                 now AS MATERIALIZED (SELECT whole::text AS r FROM {view.rows} AS whole),
                 base AS MATERIALIZED (SELECT r FROM copies WHERE view = '{view.name}'),
                 gone AS MATERIALIZED (TABLE base EXCEPT ALL TABLE now),
                 come AS MATERIALIZED (TABLE now EXCEPT ALL TABLE base)
            SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM come),
                   (SELECT count(*) FROM gone) + (SELECT count(*) FROM come),
                   ARRAY(TABLE gone EXCEPT ALL SELECT old_row FROM c),
                   ARRAY(SELECT old_row FROM c EXCEPT ALL TABLE gone),
                   EXISTS (TABLE gone) OR EXISTS (TABLE come), ARRAY(SELECT c::text FROM c)"""

    def check_status(self):
        """The status must agree with the changes."""
        session = self.checker
        for name, stale, reason in session.execute("SELECT name, stale, unknown_reason FROM refresh_mv.status"
                                                   " WHERE schema = 'fuzz'") or ():
            view = next(view for view in self.views if view.name == name)
            if view.source and not self.unknown(view, session):
                if reason:
                    raise Failure("unknown", f"{name} is unknown for no reason: {reason}")
                found = self.check(session, view)
                if found == "changed" and not stale:
                    raise Failure("stale", f"{name} has changes and is not stale")

    # --------------------------------------------------------------- the end

    def await_purge(self):
        """The log becomes empty in a few refreshes, as soon as no older transaction is open anywhere. (Only CALL ends the
        tracking of what has left a tree while somebody was writing to it.)"""
        end = time.monotonic() + 10
        left_a_tree = any(table.tree and table.detached for table in self.tables)
        while True:
            self.admin.execute("CALL refresh_mv.run()" if left_a_tree else "SELECT refresh_materialized_views_smart()")
            left = self.admin.execute("SELECT relation::regclass, seq, reason FROM refresh_mv.log")
            if not left:
                return
            if time.monotonic() > end:
                raise Failure("purge", f"the log has not been purged: {left}")

    def take_away(self):
        """Nothing of tracking may be left when it has ended, or the views are gone and that was noticed."""
        drop = self.dice.choice([[], ["DROP SCHEMA fuzz CASCADE"],
                                 [f"DROP MATERIALIZED VIEW {', '.join(view.name for view in self.views)}"]])
        sweep = "CALL refresh_mv.run()" if drop else "SELECT refresh_mv.untrack()"
        self.must(*drop, sweep)
        left = self.admin.execute("SELECT 'trigger on', tgrelid FROM pg_trigger WHERE tgname ~ '^refresh_mv'"
                                  " UNION ALL SELECT 'source', relation FROM refresh_mv.sources"
                                  " UNION ALL SELECT 'member', member FROM refresh_mv.members"
                                  " UNION ALL SELECT 'log of', relation FROM refresh_mv.log")
        if left:
            raise Failure("left", f"{drop} and {sweep} have left {left}")
