#!/usr/bin/python3
"""Tests the change log on random transactions.

A scenario makes random tables, most of them nasty, and tracked views that are copies of them.
Sessions then write at random, driven from one thread, so that a scenario is the same each
time. Now and then a view is refreshed, its table copied in the same transaction, and later
the old table rebuilt from the present one and refresh_mv.changes(): that must give the copy.
"Everything may have changed" counts as an answer only if something has happened that
justifies it.  What fails is shrunk to the steps that it takes, and printed as SQL.

log_fuzz.py [--seed N [COUNT]]: the scenario N only, or COUNT from there on.
TEST_LONG=1 runs at least 5000 such windows.
"""
import argparse
import collections
import os
import random
import re
import sys
import time

sys.dont_write_bytecode = True  # nothing is left in this folder

# pylint: disable=wrong-import-position
from psycopg2.errorcodes import QUERY_CANCELED

from log_checks import Checks
from log_session import DATABASE, LogSession, View
from log_tables import KEYS, LogWrites, Table, functions
from script import Failure
from session import create_database, drop_database, execute
from shrink import fewer
from triggers import trigger

LONG = bool(os.environ.get("TEST_LONG"))
WINDOWS = 5000 if LONG else 400
WRITERS = 4
STEPS = (40, 160)  # of a scenario
SETUP = (
    "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    "CREATE UNLOGGED TABLE copies (view text, r text)",
    "CREATE INDEX ON copies (view)",
    # text of some length that does not compress
    """CREATE FUNCTION noise(seed integer, length integer) RETURNS text IMMUTABLE LANGUAGE sql
       AS $$ SELECT string_agg(md5(seed || '/' || i), '') FROM generate_series(1, length / 32) AS i $$""",
)


class Scenario(Checks):
    """Tables, views and sessions, and all that happens to them.

    Each step is random by a number of its own, so that it does much the same when steps before
    it are left out.
    """

    def __init__(self, seed, features, steps=None):
        super().__init__(random.Random(f"log_fuzz {seed}"))
        self.seed = seed
        self.features = features
        self.steps = self.make_steps(seed) if steps is None else steps
        self.writers, self.coarse = [], None

    @staticmethod
    def make_steps(seed):
        """Random numbers."""
        dice = random.Random(f"steps {seed}")
        return [dice.getrandbits(48) for _ in range(dice.randint(*STEPS))]

    # ------------------------------------------------------------------ setup

    def create(self):
        """Makes everything."""
        dice = self.dice
        for number in range(2):
            parent = self.tables[0] if number and dice.random() < 0.7 else None
            table = Table(f"t{number}", dice, parent)
            if parent:
                parent.children.append(table)
            self.tables.append(table)
        self.admin = LogSession(self, "admin")
        self.must("SET lock_timeout = '10s'",  # enough for an autovacuum to end
                  "DROP SCHEMA IF EXISTS fuzz CASCADE", "CREATE SCHEMA fuzz",
                  "TRUNCATE copies, refresh_mv.journal, refresh_mv.settings")
        self.sessions = [LogSession(self, f"w{number}") for number in range(WRITERS)] + [self.admin]
        self.checker = LogSession(self, "checker")
        for session in [*self.sessions, self.checker]:
            session.execute("SET search_path = fuzz, public")
            session.execute("LOAD 'refresh_mv'")  # a session's first MERGE may be told as "everything"
        for table in self.tables:
            self.must(*table.create(dice))
        for table in self.tables:
            for i in dice.sample(range(KEYS), KEYS // 2):
                self.admin.execute(f"INSERT INTO {table.name} ({table.all_columns}) VALUES ({table.row(i, dice)})"
                                   " ON CONFLICT DO NOTHING")
            self.must(*functions(table))
            for number in range(dice.choice([0, 0, 1, 1, 2])):
                self.create_trigger(table, f"{table.name}_trigger_{number}")
        self.create_views()
        self.admin.execute("RESET lock_timeout")
        self.writers = self.sessions[:WRITERS]
        if dice.random() < 0.1:  # any larger statement of this session makes the changes unknown
            self.coarse = dice.choice(self.writers)
            self.coarse.execute("SET refresh_mv.max_logged_rows = 3")

    def create_trigger(self, table, name):
        """Makes a trigger of a table."""
        key = [column for column, *_ in table.key]
        statements, refuses = trigger(table.name, name, "n", key, table.written, self.dice)
        table.refuses |= refuses
        self.must(*statements)

    def must(self, *statements):
        """Runs statements that may not fail."""
        for statement in statements:
            if self.admin.execute(statement) is None:
                raise Failure("setup", f"{statement} failed: {self.admin.error}")

    def create_views(self):
        """Makes and tracks the views."""
        dice = self.dice
        for table in self.tables:
            sources = [table.name, *dice.sample(table.relations, min(len(table.relations), 2))]
            for number, source in enumerate(sources):
                only = "ONLY " if table.tree else ""
                self.views.append(View(f"v{number}_{source}", f"SELECT * FROM {only}{source}", [table], source, only=only))
            if table.tree:
                self.views.append(View(f"all_{table.name}", f"SELECT {table.all_columns} FROM {table.name}", [table]))
                self.views.append(View(f"below_{table.name}", f"SELECT n, count(*), min(extra) FROM {table.name}_0 GROUP BY n",
                                       [table]))
        one, two = self.tables
        self.views.append(View("sums", f"SELECT n % 3 AS m, count(*), sum(n) FROM {one.name} GROUP BY 1", [one]))
        self.views.append(View("joined", f"SELECT t.n, u.n AS m FROM {one.name} AS t JOIN {two.name} AS u"
                                         " ON t.n % 4 = u.n % 4 LEFT JOIN t0 AS s ON s.n = u.n", [one, two]))
        lower = self.views[0].name
        self.views.append(View("of_view", f"SELECT * FROM {lower}", [one], lower, keyless=True))
        if dice.random() < 0.1:
            self.views.append(View("live", f"SELECT n % 3 AS m, count(*) FROM {one.name} GROUP BY 1", [one],
                                   on_commit=True))
        for view in self.views:
            self.must(f"CREATE MATERIALIZED VIEW {view.name} AS {view.query}")
            rows = self.admin.execute(f"SELECT tracked, reason FROM refresh_mv.track('{view.name}', {view.on_commit})")
            if not rows or not rows[0][0]:
                raise Failure("setup", f"{view.name} is not tracked: {rows}")
        for view in self.views:
            if not view.on_commit and not self.refresh(self.admin, [view]):
                raise Failure("setup", f"{view.name} cannot be refreshed")

    # ------------------------------------------------------------------ steps

    def write(self, session):
        """One statement of a writer."""
        dice = self.dice
        table = dice.choice(self.tables)
        writes = LogWrites(dice)
        unknown = [(table, "a session with a low limit") for table in self.tables if session is self.coarse]
        unknown += [(table, "transition tables lack generated columns, or rows were refused")
                    for table in self.tables if table.part and (table.generated or table.refuses)]
        kind = dice.random()
        if kind < 0.02:
            cascade = table.everything_below()
            session.write(f"TRUNCATE {dice.choice(table.relations)} CASCADE",
                          [*unknown, *((below, "TRUNCATE") for below in cascade)])
        elif kind < 0.12:
            session.write(writes.merge(table), unknown)
        elif kind < 0.17:
            self.copy(session, table, unknown)
        elif kind < 0.19 and table.part:
            self.attach_or_detach(session, table)
        elif kind < 0.18 and table.tree:
            self.inherit_or_not(session, table)
        elif kind < 0.2 and self.features["plpython3u"]:
            session.limited = True
            session.write(writes.limited(table), [*unknown, (table, "a statement ended by its caller")])
        else:
            sql = writes.any(table)
            if sql.startswith("WITH one") and (table.part or table.tree) or sql.startswith("WITH gone") and table.tree:
                unknown.append((table, "two statements on one tree at the same time"))
            if table.tree and re.search(r"_(poke|replace|remove)\(", sql):
                unknown.append((table, "a function writes to the tree while a statement does"))
            session.write(sql, unknown)

    def copy(self, session, table, unknown):
        """COPY FROM."""
        dice = self.dice
        start = dice.randrange(KEYS)
        lines = ["\t".join([*table.raw_key(i % KEYS, dice), str(dice.choice(["\\N", *range(20)]))]) + "\n"
                 for i in range(start, start + dice.choice([1, 2, 4]))]
        session.write(f"COPY {dice.choice(table.relations)} ({table.key_columns}, n) FROM STDIN",
                      unknown, "".join(lines))

    def attach_or_detach(self, session, table):
        """DETACH, or ATTACH what is detached; perhaps one after the other."""
        name = f"{table.name}_1"
        attach = (f"ALTER TABLE {table.name} ATTACH PARTITION {name}"
                  f" FOR VALUES {'FROM (2) TO (4)' if table.part == 'range' else 'IN (2)'}")
        detach = f"ALTER TABLE {table.name} DETACH PARTITION {name}"
        if self.admin.execute(f"SELECT relispartition FROM pg_class WHERE relname = '{name}'") == [(True,)]:
            sql = self.dice.choice([detach, f"{detach}; UPDATE {name} SET n = 5 WHERE n % 2 = 1; {attach}"])
            table.detached = name
        else:
            sql = attach
        table.left_to_repair |= session.snapshot is not None
        unknown = [(below, "ATTACH or DETACH") for below in table.everything_below()]
        session.write(sql, unknown)

    def inherit_or_not(self, session, table):
        """A member leaves the tree, or comes back; perhaps one after the other."""
        name = f"{table.name}_1"
        leave, join = f"ALTER TABLE {name} NO INHERIT {table.name}", f"ALTER TABLE {name} INHERIT {table.name}"
        if self.admin.execute(f"SELECT count(*) FROM pg_inherits WHERE inhrelid = '{name}'::regclass") == [(1,)]:
            sql = self.dice.choice([leave, f"{leave}; UPDATE {name} SET n = 5 WHERE n % 2 = 1; {join}"])
            table.detached = name
        else:
            sql = join
        session.write(sql, [(below, "NO INHERIT or INHERIT") for below in table.everything_below()])

    def writer_step(self):
        """Some writer goes on."""
        dice = self.dice
        session = dice.choice(self.writers)
        if session.failed:
            if session.savepoints and dice.random() < 0.7:
                session.rollback_to(dice.randrange(len(session.savepoints)))
            else:
                session.end("ROLLBACK")
        elif session.idle:
            if dice.random() < 0.5:
                session.begin(dice.choice(["READ COMMITTED"] * 4 + ["REPEATABLE READ", "SERIALIZABLE"]))
                if dice.random() < 0.07:
                    session.execute("SET LOCAL session_replication_role = replica")
            self.write(session)
        else:
            kind = dice.random()
            if kind < 0.55:
                self.write(session)
            elif kind < 0.65:
                session.savepoint(f"s{len(session.savepoints)}")
            elif kind < 0.72 and session.savepoints:
                session.rollback_to(dice.randrange(len(session.savepoints)))
            elif kind < 0.75 and session.savepoints:
                session.release(dice.randrange(len(session.savepoints)))
            elif kind < 0.8 and self.features["prepared"] and len(self.prepared) < 3:
                name = f"{DATABASE} {self.tick()}"
                effects = session.prepare(name)
                if effects is not None:
                    self.prepared[name] = effects
                    self.was_prepared = True
            else:
                self.end(session, "COMMIT" if dice.random() < 0.75 else "ROLLBACK")

    def end(self, session, command):
        """Ends a transaction; a view refreshed on commit is up to date then, unless that failed."""
        has_snapshot = session.snapshot is not None
        if session.end(command):
            for view in self.views:
                if view.on_commit and not self.prepared:
                    self.compare_live(view, has_snapshot)

    def finish_prepared(self, name, commit):
        """COMMIT PREPARED or ROLLBACK PREPARED."""
        effects = self.prepared.pop(name)
        self.admin.execute(f"{'COMMIT' if commit else 'ROLLBACK'} PREPARED '{name}'")
        if commit:
            self.apply(effects)

    def view_step(self):
        """Something happens to a view."""
        dice = self.dice
        views = [view for view in self.views if not view.on_commit]
        view = dice.choice(views)
        kind = dice.random()
        if kind < 0.5:
            view = max((view for view in views if view.source), key=lambda view: (view.writes, dice.random()))
            if view.writes:
                found = self.check(self.checker, view)
                if found == "unknown":
                    self.refresh(self.checker, [view])
        elif kind < 0.75:
            self.check_and_refresh(view)
        elif kind < 0.82:
            self.refresh(self.checker, dice.sample(views, min(len(views), 3)), dice.choice(["smart", "full"]))
        elif kind < 0.86:
            self.view_step_of_writer(view)
        elif kind < 0.88:
            self.check_status()
        elif kind < 0.95:
            self.refresh_otherwise(view)
        else:
            self.procedure_step(views)

    def refresh_otherwise(self, view):
        """A view is refreshed in a way that is no baseline."""
        others = [("unknown", reader, "another refresh", None) for reader in self.views if reader.source == view.name]
        if self.dice.random() < 0.3:
            if self.admin.execute(f"SELECT refresh_mv.refresh_where('{view.name}', 'true')"):
                self.apply([*others, ("unknown", view, "another refresh", None)])
            return
        # By core, which is a baseline if nothing is against it: then what is told of changes since must be right.
        session = self.checker
        session.begin(self.dice.choice(["REPEATABLE READ", "READ COMMITTED"]))
        at = self.time if session.snapshot in (None, "next") else session.snapshot
        session.snapshot = at if session.snapshot == "next" else session.snapshot
        if session.execute(f"REFRESH MATERIALIZED VIEW {view.name}") is None:
            session.end("ROLLBACK")
            return
        kept = session.execute("SELECT unknown_reason IS NULL FROM refresh_mv.status"
                               f" WHERE schema = 'fuzz' AND name = '{view.name}'") == [(True,)]
        self.counts["baseline by core" if kept else "no baseline by core"] += 1
        if kept and not self.copy_tables(session, [view]):
            session.end("ROLLBACK")
            return
        session.effects += [*others, ("baseline", view, None, at) if kept else ("unknown", view, "another refresh", None)]
        session.end("COMMIT")

    def view_step_of_writer(self, view):
        """A writer checks or refreshes, perhaps with changes of its own that are not committed."""
        session = self.dice.choice(self.writers)
        if session.failed:
            return
        if self.dice.random() < 0.5:
            self.refresh(session, [view])
        elif view.source and session.snapshot is None:
            self.check(session, view)
            if session.failed:
                session.end("ROLLBACK")

    def procedure_step(self, views):
        """All views are refreshed by the procedure."""
        names = ", ".join(view.name for view in views)
        at = self.time
        failed = self.admin.execute(f"CALL refresh_mv.run(views => '{{{names}}}')") is None
        done = self.outcomes(self.admin, "smart")
        refreshed = [view for view in views if view.name in done]
        if failed and len(refreshed) == len(views):
            raise Failure("history", "refresh_mv.run failed, none of its views did")
        if not self.copy_tables(self.admin, refreshed):
            raise Failure("copy", "the views' tables cannot be copied")
        self.apply([("baseline", view, None, at) for view in refreshed])

    def step(self):
        """Anything."""
        kind = self.dice.random()
        if kind < 0.04 and self.prepared:
            self.finish_prepared(self.dice.choice(sorted(self.prepared)), self.dice.random() < 0.7)
        elif kind < 0.78:
            self.writer_step()
        else:
            self.view_step()

    # -------------------------------------------------------------------- end

    def finish(self):
        """Ends what is open, checks and refreshes all; then nothing is left to do, and no log."""
        for session in self.writers:
            if not session.idle:
                self.end(session, "COMMIT")
        for name in sorted(self.prepared):
            self.finish_prepared(name, True)
        views = [view for view in self.views if not view.on_commit]
        for session in (self.checker, self.admin):
            session.execute("SET lock_timeout = '10s'")  # nobody but autovacuum is there any more
        for view in views:
            self.check_and_refresh(view)
        if any(table.detached for table in self.tables):
            self.refresh(self.checker, views)  # the one before has only started to track again
        self.checker.begin("READ COMMITTED")
        if not self.refresh(self.checker, views, expected=("skip",)):
            raise Failure("end", "the views cannot be refreshed at the end")
        self.checker.end("COMMIT")
        self.await_purge()
        for view in self.views:
            self.compare(self.checker, view)
        self.take_away()

    def await_crash(self):
        """Waits until the server has noticed that it has crashed, and has ended all sessions for that."""
        end = time.monotonic() + 10
        while not all(session.is_lost() for session in self.sessions) and time.monotonic() < end:
            time.sleep(0.01)

    def run(self):
        """The whole scenario; returns its failure, or None."""
        try:
            self.create()
            for number in self.steps:
                self.dice = random.Random(number)
                self.step()
            self.dice = random.Random(f"end {self.seed}")
            self.finish()
        except Failure as failure:
            if failure.kind == "crash":
                self.await_crash()
            return failure
        finally:
            for session in [*self.sessions, self.checker]:
                if session:
                    session.connection.close()
        return None


def explain(scenario, failure):
    """Shrinks what has failed, and prints it."""
    print(f"scenario {scenario.seed} (log_fuzz.py --seed {scenario.seed}): {failure.kind}: {failure}", flush=True)
    end = time.monotonic() + (1200 if LONG else 240)
    shown = scenario, failure

    def fails(steps):
        nonlocal shown
        if time.monotonic() > end:
            return False
        set_up()
        again = Scenario(scenario.seed, scenario.features, steps)
        found = again.run()
        if found is None or found.kind != failure.kind:
            return False
        shown = again, found
        return True
    if fails(scenario.steps):
        fewer(scenario.steps, fails)
    else:
        print("It has not failed again; this is all of it:")
    again, found = shown
    print("\n".join(again.history))
    print(f"-- in {len(again.steps)} of {len(scenario.steps)} steps: {found.kind}: {found}", flush=True)


def set_up():
    """Makes the database; returns what this server can do."""
    create_database(DATABASE)
    execute(DATABASE, *SETUP)
    features = {
        "prepared": execute(DATABASE, "SHOW max_prepared_transactions") != [("0",)],
        "plpython3u": bool(execute(DATABASE, "SELECT 1 FROM pg_available_extensions WHERE name = 'plpython3u'")),
    }
    if features["plpython3u"]:
        execute(DATABASE, "CREATE EXTENSION plpython3u")
    return features


def main():
    """Runs scenarios until there were enough windows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("count", type=int, nargs="?", default=1)
    arguments = parser.parse_args()
    counts, errors = collections.Counter(), collections.Counter()
    seed = arguments.seed if arguments.seed is not None else 1
    start = time.monotonic()
    try:
        features = set_up()
        print("left out, as this server has none:", [name for name, there in features.items() if not there] or "nothing")
        while (counts["scenarios"] < arguments.count if arguments.seed is not None
               else counts["windows"] < WINDOWS):
            scenario = Scenario(seed, features)
            failure = scenario.run()
            if failure:
                explain(scenario, failure)
                return 1
            counts.update(scenario.counts, scenarios=1)
            errors.update(scenario.errors)
            seed += 1
    finally:
        drop_database(DATABASE)
    print(dict(counts), f"in {time.monotonic() - start:.1f} s")
    print("errors:", dict(errors))
    return int(errors[QUERY_CANCELED] > 1 + counts["scenarios"] / 20)  # triggers that go round in circles are rare


if __name__ == "__main__":
    sys.exit(main())
