#!/usr/bin/python3
"""Differential fuzzer: random tables, views and transactions; each refresh is compared with the query.

Each seed makes tables with keys, foreign keys, partitions and triggers, ordinary and
materialized views of a grammar, and rounds of transactions (with savepoints, refreshes in
between, a second session that commits late), of DDL, of manual REFRESH and of refreshes of
some of the views.  After each refresh the views have to hold what their queries return, byte
for byte, nothing may be pending, and the history has to say so.  A refresh may only fail
where core's REFRESH fails with the same SQLSTATE.  A failure is shrunk and printed as SQL.

fuzz.py [--seed N] [--schemas N] [--rounds N] [--all]: begins with the seed N.  Without
arguments it goes on until there were 500 refreshes that had something to do, by
TEST_LONG=1 10,000.  It fails if `delta` and `keys` are under half of the refreshes, by smart
or on commit, of tracked views that had changes: those that were no `skip`, nor the first one
of a view, which is always full.
"""
import argparse
import collections
import os
import random
import sys
import time

sys.dont_write_bytecode = True  # nothing is left in this folder

# pylint: disable=wrong-import-position
from runner import Report, Runner, TEMPLATE
from schema import Schema, relations
from script import Failure, Outgrown, Step, as_sql, plain
from session import INTRANS, create_database, drop_database
from shrink import Shrinker
from views import Grammar
from writes import Ddl, Writes

LONG = bool(os.environ.get("TEST_LONG"))
REFRESHES = 10000 if LONG else 500
DATABASE = f"{TEMPLATE}_run"
FIRST = "the view has not been refreshed since it is tracked"
DATES = ("date", "timestamp without time zone", "timestamp with time zone")
ZONES = ["UTC", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]


class Scenario:
    """A schema and what happens in it, all made from one seed."""

    def __init__(self, seed, rounds, report):
        self.dice = random.Random(seed)
        self.rounds = rounds
        self.report = report
        self.runner = Runner(DATABASE, report)
        self.unit = 0
        self.counter = collections.Counter()
        self.grammar = None
        self.queries = {}          # of ordinary views
        self.recent = self.chance(0.4)
        self.zones = self.chance(0.15)
        self.prepared = False      # is a transaction of the second session
        self.can_prepare = self.runner.main.execute("SHOW max_prepared_transactions") != [("0",)]

    def chance(self, probability):
        """True so often."""
        return self.dice.random() < probability

    def step(self, sql, **fields):
        """Executes a step of the current unit."""
        return self.runner.run(Step(sql, unit=self.unit, **fields))

    def alone(self, sql, **fields):
        """Executes a step that is a unit of its own."""
        self.unit += 1
        return self.step(sql, **fields)

    def relations(self):
        """What there is now."""
        return relations(self.runner.main.execute)

    def run(self):
        """The whole scenario."""
        self.set_up()
        for _ in range(self.rounds):
            self.round()
        self.end_late("COMMIT")
        if self.prepared:
            self.alone(f"COMMIT PREPARED '{DATABASE}'", session=1)
        self.refresh("smart", sorted(self.runner.existing()))
        self.alone("", kind="look")

    # ------------------------------------------------------------------- setup

    def set_up(self):
        """Makes tables and views."""
        if self.chance(0.85):
            for session in (0, 1):
                self.alone("SET refresh_mv.exact_cost_limit = 1e9", kind="setup", session=session)
        for sql in Schema(self.dice).setup():
            self.alone(sql, kind="setup")
        writes = Writes(self.dice, self.relations(), self.recent)
        for table in writes.tables:
            sql, rows = writes.fill(table, self.dice.choice([0, 6, 15, 15, 30, 30]))
            if rows:
                self.alone(sql, rows=rows)
            if self.chance(0.12):
                self.alone(writes.many(table))
        self.alone("ANALYZE", kind="setup")
        for _ in range(self.dice.choice([0, 1, 1, 2])):
            self.create_view("v")
        for _ in range(self.dice.randint(5, 10)):
            self.create_view("m")

    def readable(self):
        """Relations for new views; tables are more likely."""
        weights = {"r": 8, "p": 8, "v": 3, "m": 1}
        return [relation for relation in self.relations().values() if relation.columns
                for _ in range(self.chance(0.2) if relation.partition else weights[relation.kind])]

    def create_view(self, prefix):
        """Makes a random view that PostgreSQL accepts and that is not too large; tracks it if it is materialized."""
        for _ in range(20):
            grammar = Grammar(self.dice, self.readable())
            dated = prefix == "m" and self.recent and self.chance(0.35)
            depth = self.dice.choice([0, 0, 0, 0, 0, 1, 1, 1, 2, 3])
            if prefix == "v" and self.chance(0.7):
                query, columns = grammar.plain(depth // 2)
            else:
                query, columns = grammar.query(depth, top=True)
            if dated and columns[0][1] not in DATES:
                continue
            if self.suits(query):
                break
        else:
            return
        self.counter[prefix] += 1
        name = f"{prefix}{self.counter[prefix]}"
        if prefix == "v":
            self.alone(f"CREATE VIEW {name} AS {query}", kind="view")
            self.queries[name] = query
            return
        self.report.views += 1
        self.alone(f"CREATE MATERIALIZED VIEW {name} AS {query}", kind="view")
        if self.chance(0.6 if dated else 0.97):
            error = self.step(f"SELECT refresh_mv.track('{name}'{self.how_to_track()})", kind="view")
            if error:
                self.report.untracked[error[1].partition("HINT")[0].partition("DETAIL")[2][:150]] += 1
        if dated:
            self.step(f"SELECT refresh_mv.configure('{name}', date_column => 'c0')", kind="view")

    def how_to_track(self):
        """Options of track(), now and then."""
        kind = self.dice.random()
        return ", on_commit => true" if kind < 0.06 else ", capture => 'coarse'" if kind < 0.1 else ""

    def suits(self, query):
        """True if PostgreSQL takes a query, and it costs little and has not too many rows."""
        self.report.attempts += 1
        main = self.runner.main
        error = main.attempt(f"EXPLAIN (FORMAT JSON) {plain(query)}")
        if error:
            self.report.refused[error[0]] += 1
            return False
        return (main.rows[0][0][0]["Plan"]["Total Cost"] < 3000
                and not main.attempt(f"SELECT count(*) FROM (SELECT FROM ({plain(query)}) q LIMIT 2001) q")
                and main.rows[0][0] <= 2000)

    # ------------------------------------------------------------------ rounds

    def round(self):
        """Some transactions, and a refresh."""
        late = self.runner.sessions[1]
        if self.prepared and self.chance(0.5):
            self.alone(f"{self.dice.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])} PREPARED '{DATABASE}'", session=1)
            self.prepared = False
        elif late.status() == INTRANS and self.can_prepare and not self.prepared and self.chance(0.15):
            self.end_late(f"PREPARE TRANSACTION '{DATABASE}'")
            self.prepared = True
        elif late.status() == INTRANS and self.chance(0.6):
            self.end_late(self.dice.choice(["COMMIT"] * 4 + ["ROLLBACK"]))
        for _ in range(self.dice.choice([0, 1, 1, 2, 2, 3, 4])):
            self.transaction()
        if self.chance(0.3) or late.status() == INTRANS:
            self.write_late()
        if self.chance(0.15):
            self.ddl()
        if self.chance(0.12):
            self.views_ddl()
        if self.zones and self.chance(0.3):
            zone = self.dice.choice(ZONES)
            for session in (0, 1):
                self.alone(f"SET TimeZone = '{zone}'", kind="setup", session=session)
        self.any_refresh()
        self.replace_views()
        if not self.zones:
            self.alone("", kind="look")

    def replace_views(self):
        """A view that is full again and again, since no column of it serves, makes place for another one."""
        for view in sorted(self.runner.existing()):
            if self.runner.shapeless[view] > 1:
                self.alone(f"DROP MATERIALIZED VIEW {view} CASCADE", kind="view")
                self.create_view("m")

    def transaction(self):
        """A transaction of the first session."""
        self.unit += 1
        if self.chance(0.35):
            self.step(Writes(self.dice, self.relations(), self.recent).any())
            return
        guarded = self.chance(0.8)
        main = self.runner.main
        self.step("BEGIN" + (" ISOLATION LEVEL REPEATABLE READ" if self.chance(0.06) else ""))
        savepoints = []
        for _ in range(self.dice.choice([1, 2, 3, 4, 6])):
            if main.status() != INTRANS:
                break
            kind = self.dice.random()
            if kind < 0.1 and guarded:
                savepoints.append(f"s{len(savepoints)}")
                self.step(f"SAVEPOINT {savepoints[-1]}")
            elif kind < 0.2 and savepoints:
                savepoints = savepoints[:self.dice.randrange(len(savepoints)) + 1]
                self.step(f"ROLLBACK TO {savepoints[-1]}")
            elif kind < 0.25 and guarded:
                self.smart("function")
            else:
                self.step(Writes(self.dice, self.relations(), self.recent).any(), guarded=guarded)
        self.step(self.dice.choice(["COMMIT"] * 6 + ["ROLLBACK"]))

    def write_late(self):
        """The second session writes in a transaction that it leaves open."""
        late = self.runner.sessions[1]
        self.unit += 1
        if late.status() != INTRANS:
            self.step("BEGIN", session=1)
        writes = Writes(self.dice, self.relations(), self.recent)
        for _ in range(self.dice.choice([1, 2, 3])):
            self.step(writes.any(), session=1)

    def end_late(self, command):
        """Ends the second session's transaction."""
        if self.runner.sessions[1].status() == INTRANS:
            self.alone(command, session=1)

    def ddl(self):
        """DDL on tables; in a transaction that is rolled back now and then."""
        statements = Ddl(self.dice, self.relations(), self.counter).any()
        self.unit += 1
        undone = self.chance(0.15)
        if undone:
            self.step("BEGIN", kind="ddl")
        for sql in statements:
            self.step(sql, kind="ddl")
        if undone:
            self.step("ROLLBACK", kind="ddl")

    def views_ddl(self):
        """What happens to views."""
        views = sorted(self.runner.existing())
        kind = self.dice.choice(["create", "drop", "replace", "untrack", "track", "rename", "core", "core"])
        if kind == "create":
            self.create_view("m")
        elif kind == "replace" and self.queries:
            name, query = self.dice.choice(sorted(self.queries.items()))
            view = self.relations().get(name)
            if view:
                grammar = Grammar(self.dice, [view])
                rows = grammar.leaf(0)
                self.alone(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM ({query}) {rows.sql.split()[-1]}"
                           f" WHERE {grammar.condition(rows.columns)}", kind="ddl")
        elif kind in ("core", "drop", "untrack", "track", "rename") and views:
            view = self.dice.choice(views)
            self.counter["renamed view"] += 1
            self.alone({"core": f"REFRESH MATERIALIZED VIEW{self.dice.choice(['', '', ' CONCURRENTLY'])} {view}",
                        "drop": f"DROP MATERIALIZED VIEW {view}", "untrack": f"SELECT refresh_mv.untrack('{view}')",
                        "track": f"SELECT refresh_mv.track('{view}'{self.how_to_track()})", "rename":
                        f"ALTER MATERIALIZED VIEW {view} RENAME TO n{self.counter['renamed view']}"}[kind], kind="ddl")

    # --------------------------------------------------------------- refreshes

    def any_refresh(self):
        """Refreshes some views, mostly by smart."""
        kind = self.dice.random()
        if kind < 0.62:
            self.smart(self.dice.choice(["function", "function", "procedure"]))
        elif kind < 0.72:
            self.statement()
        elif kind < 0.8:
            self.refresh("full", self.some_views())
        else:
            self.window()

    def some_views(self):
        """All views, or some."""
        views = sorted(self.runner.existing())
        if self.chance(0.6) or len(views) < 2:
            return views
        return sorted(self.dice.sample(views, self.dice.randint(1, len(views))))

    def smart(self, how):
        """A smart refresh."""
        self.refresh("smart", self.some_views(), how)

    def statement(self):
        """REFRESH, taken over."""
        views = self.some_views()
        if not views:
            return
        if self.runner.main.status() != INTRANS:
            self.unit += 1
        self.step("SET refresh_mv.take_over = on", kind="ddl")
        view = self.dice.choice(views)
        self.step(f"REFRESH MATERIALIZED VIEW{self.dice.choice(['', ' CONCURRENTLY'])} {view}", kind="refresh",
                  mode="statement", views=(view,))
        self.step("SET refresh_mv.take_over = off", kind="ddl")

    def refresh(self, mode, views, how="function"):
        """A refresh by smart or full."""
        function = ("refresh_materialized_views_smart(views => {views})" if mode == "smart"
                    else "refresh_materialized_views(views => {views})")
        sql = f"SELECT * FROM {function}" if how == "function" else f"CALL refresh_mv.run('{mode}', views => {{views}})"
        if self.runner.main.status() != INTRANS:
            self.unit += 1
        if views:
            self.step(sql, kind="refresh", mode=mode, views=tuple(views))

    def window(self):
        """A refresh by date, of a view that begins with one, by that."""
        views = [relation.name for relation in self.relations().values()
                 if relation.kind == "m" and relation.columns and relation.columns[0].type in DATES]
        if not views:
            self.smart("function")
            return
        days, view = self.dice.choice([0, 1, 2, 10]), self.dice.choice(views)
        self.alone(f"SELECT refresh_mv.configure('{view}', date_column => 'c0')")
        self.alone(f"SELECT * FROM refresh_materialized_views(true, {days}, {{views}})", kind="refresh", mode="window",
                   views=(view,), days=days)
        self.alone(f"SELECT refresh_mv.configure('{view}', date_column => NULL)")


def replay(script):
    """Executes a script in a new database; returns its Failure, or None, and the errors of its steps."""
    runner = Runner(DATABASE, Report())
    try:
        for step in script:
            runner.run(step)
    except Failure as failure:
        return failure, runner.errors
    except Outgrown:
        pass
    finally:
        runner.close()
    return None, runner.errors


def explain(seed, failure, script):
    """Shrinks what has failed, and prints it."""
    print(f"seed {seed}: {failure.kind}: {failure}", flush=True)
    again, _ = replay(script)
    if again is None or again.kind != failure.kind:
        print(f"The script alone does not show it ({again}); this is all of it:")
        print(as_sql(script, [None] * len(script)))
        return
    shrinker = Shrinker(lambda variant: replay(variant)[0], again, 1200 if LONG else 240)
    script = shrinker.shrink(script)
    failure, errors = replay(script)
    failure = failure or shrinker.failure
    print(f"shrunk to {len(script)} statements:\n{as_sql(script, errors)}\n-- {failure.kind}: {failure}")
    if failure.query:
        print(f"-- its query:\n{failure.query}", flush=True)


def one_seed(seed, rounds, report, kind=Scenario):
    """Runs a scenario; returns whether all was right."""
    scenario = kind(seed, rounds, report)
    report.schemas += 1
    failure = None
    try:
        scenario.run()
    except Failure as found:
        failure = found
    except Outgrown:
        report.expected["views that take too long"] += 1
    finally:
        scenario.runner.close()
    if failure:
        explain(seed, failure, scenario.runner.script)
    return failure is None


def summarize(report, seconds):
    """Prints the figures; returns whether delta and keys were used often enough."""
    exact, whole = (sum(report.methods[mode, method] for mode in ("smart", "on commit") for method in methods)
                    for methods in (("delta", "keys"), ("full", "rebuild")))
    whole -= report.reasons[FIRST]
    print(f"{report.schemas} schemas, {report.views} views, {report.refreshes} refreshes that had something to do, "
          f"{report.comparisons} comparisons in {seconds:.0f} s")
    for (mode, method), number in sorted(report.methods.items()):
        print(f"  {mode}: {method}: {number}")
    print(f"delta and keys: {exact} of {exact + whole} refreshes by smart or on commit of tracked views with changes")
    print("why full:", *(f"{number} {reason}" for reason, number in report.reasons.most_common(15)), sep="\n  ")
    print("queries refused by PostgreSQL:", sum(report.refused.values()), "of", report.attempts, dict(report.refused))
    print("live():", dict(report.live))
    print("not tracked:", *report.untracked.most_common(10), sep="\n  ")
    print("errors of refreshes:", dict(report.expected), "of queries alone:", dict(report.uncomparable))
    return 2 * exact >= whole + exact and 3 * sum(report.refused.values()) <= report.attempts


def run_seeds(description, report, is_enough, rounds, *kind):
    """Runs seeds, those that the command line asks for or until it is enough; returns whether all was right, whether a number
    of them was asked for, and how many seconds it took.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--schemas", type=int)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--all", action="store_true", help="go on after a failure")
    arguments = parser.parse_args()
    seed = first = 1 if arguments.seed is None else arguments.seed
    schemas = arguments.schemas or (1 if arguments.seed is not None else None)
    right, start = True, time.monotonic()
    create_database(TEMPLATE)
    try:
        while (seed - first < schemas if schemas else not is_enough()) and (right or arguments.all):
            right = one_seed(seed, arguments.rounds, report, *kind) and right
            seed += 1
    finally:
        drop_database(TEMPLATE)
    return right, schemas is not None, time.monotonic() - start


def main():
    """Runs seeds until there were enough refreshes."""
    report = Report()
    right, asked, seconds = run_seeds(__doc__, report, lambda: report.refreshes >= REFRESHES, 12)
    enough = summarize(report, seconds) or asked
    return 0 if right and enough else 1


if __name__ == "__main__":
    sys.exit(main())
