#!/usr/bin/python3
"""Tests views in the manner of those that projects have: each is exact after every change, by the method that is expected.

A file of test/domains is a domain: first its tables and their rows, then sections. Of a view a section says

    -- view NAME: what it shows
    -- delta sell sort; keys rename; full purge (the beginning of the reason)

that is, by which methods (several, if that depends on the server, as delta|full) it is to be refreshed after which
changes, and why in full where it is; or "-- untracked (the beginning of the reason)". Its query follows, and perhaps
statements after that. "-- changes NAME: what happens" is followed by statements, each a transaction of its own; changes
are made in the order of the file, and after each all views of the domain are refreshed at once. A view then has to hold
what its query returns, by EXCEPT ALL both ways and by the text of its rows, byte for byte. "-- needs EXTENSION", before
the sections, skips the domain where the server has no such extension.

corpus.py [--show] [--rounds N] [NAME...]: these domains, or all. --show prints the methods taken, to be judged for a new
view. Each domain is run N times more (40 by TEST_LONG=1), its statements in random order between the refreshes, violations
of constraints ignored; every other time at the default cost limit. Methods are not looked at then, but live() is compared
before each refresh.
"""
import argparse
import collections
import contextlib
import dataclasses
import os
import pathlib
import random
import re
import sys
import time

import psycopg2

DATABASE = "refresh_mv_corpus"
DOMAINS = pathlib.Path(__file__).resolve().parent.parent / "domains"
SETTINGS = "-c lock_timeout=10s -c statement_timeout=60s -c client_min_messages=error -c jit=off -c TimeZone=UTC"
SECTION = re.compile(r"^-- (view|changes) (\w+): .*\n", re.MULTILINE)
EXPECTED = re.compile(r"([a-z|]+)((?: \w+)*)(?: \((.*)\))?")
REFUSED = psycopg2.errors.ObjectNotInPrerequisiteState, psycopg2.errors.ConfigurationLimitExceeded  # by live()
SOME = 3  # wrong rows that are shown


@dataclasses.dataclass
class View:
    """A view of a domain."""
    name: str
    query: str
    after: str         # statements once it is made
    expected: dict     # changes: (methods, beginning of the reason)
    untracked: str     # beginning of the reason, if it cannot be tracked
    comparable: bool = True  # by EXCEPT: values of all its types can be equal


class Domain:
    """A file of test/domains."""

    def __init__(self, path):
        self.name = path.stem
        self.setup, *sections = SECTION.split(path.read_text(encoding="utf-8"))
        self.needs = re.findall(r"^-- needs (\w+)$", self.setup, re.MULTILINE)
        self.views, self.changes = [], {}
        for kind, name, text in zip(*[iter(sections)] * 3):
            if kind == "view":
                self.views.append(read_view(name, text))
            else:
                self.changes[name] = statements(text)
        for view in self.views:
            assert set(view.expected) <= set(self.changes), f"{self.name}.{view.name}: no such changes"


def statements(text):
    """The statements in a text, each of which ends a line."""
    return [statement for statement in re.split(r";\n", text) if re.sub(r"--.*", "", statement).strip()]


def read_view(name, text):
    """A view from the text of its section."""
    comment, rest = re.match(r"((?:-- .*\n)*)([^\0]*)", text).groups()
    query, _, after = rest.partition(";\n")
    view = View(name, query, after, {}, None)
    for part in re.sub(r"\s*\n?-- +", " ", comment).strip().split("; "):
        methods, changes, reason = EXPECTED.fullmatch(part).groups() if part else ("", "", "")
        if methods == "untracked":
            view.untracked = reason
        view.expected.update((change, (set(methods.split("|")), reason or "")) for change in changes.split())
    return view


class Run:
    """A domain in a schema of its own."""

    def __init__(self, domain, database=DATABASE):
        self.domain = domain
        self.connection = psycopg2.connect(dbname=database, options=SETTINGS)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.wrong = []
        self.compared = 0

    def execute(self, sql, arguments=None):
        """Returns the rows, if there are any."""
        self.cursor.execute(sql, arguments)
        return self.cursor.fetchall() if self.cursor.description else None

    def lacks(self):
        """An extension that the domain needs and the server has not, if there is one."""
        have = {name for name, in self.execute("SELECT name FROM pg_available_extensions")}
        return next((name for name in self.domain.needs if name not in have), None)

    def set_up(self, limit="1e9"):
        """Makes the schema, its tables and views, and refreshes these once."""
        for extension in self.domain.needs:
            self.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public")
        self.execute(f"DROP SCHEMA IF EXISTS {self.domain.name} CASCADE; CREATE SCHEMA {self.domain.name};"
                     f" SET search_path = {self.domain.name}, public; SET refresh_mv.exact_cost_limit = {limit}")
        self.execute(self.domain.setup)
        for view in self.domain.views:
            self.execute(f"CREATE MATERIALIZED VIEW {view.name} AS {view.query}")
            view.comparable = not self.execute("SELECT 1 FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                                               " AND atttypid = 'json'::regtype", [view.name])
            if view.after.strip():
                self.execute(view.after)
        (tables,), = self.execute("SELECT string_agg(oid::regclass::text, ', ') FROM pg_class"
                                  " WHERE relnamespace = current_schema::regnamespace AND relkind IN ('r', 'm')")
        self.execute(f"ANALYZE {tables}")
        for view in self.domain.views:
            reason = self.track(view)
            if (reason is None) != (view.untracked is None) or not (reason or "").startswith(view.untracked or ""):
                self.wrong.append(f"{self.domain.name}.{view.name} is {'not ' if reason else ''}tracked: {reason}")
        self.check("set up")

    def track(self, view):
        """Tracks a view; returns why that cannot be done, or None."""
        try:
            self.execute("SELECT refresh_mv.track(%s)", [view.name])
        except psycopg2.errors.FeatureNotSupported as error:
            return error.diag.message_detail
        return None

    def check(self, moment):
        """Refreshes all views and compares them; returns the method and the reason of each."""
        self.execute("BEGIN")  # the time stands still
        (success, message), = self.execute("SELECT success, message FROM refresh_materialized_views_smart(%s::regclass[])",
                                           [[view.name for view in self.domain.views if view.untracked is None]])
        taken = {name: how for name, *how in self.execute(
            "SELECT split_part(view, '.', 2), method, regexp_replace(coalesce(reason, ''), '^\\d+ changes? in the log, but ', '')"
            " FROM refresh_mv.history"
            " WHERE run = (SELECT max(run) FROM refresh_mv.history)")}
        if not success:
            self.wrong.append(f"{self.domain.name} after {moment}: {message}")
        for view in self.domain.views:
            if view.untracked is None:
                self.compare(view, f"{moment}, by {' '.join(taken.get(view.name, ['nothing']))}")
        self.execute("COMMIT")
        return taken

    def check_live(self, moment):
        """Compares what live() tells of the views as they are now, where it can."""
        for view in self.domain.views:
            if view.untracked is None:
                self.execute("BEGIN")
                with contextlib.suppress(*REFUSED):
                    self.compare(view, f"{moment}, by live()", f"refresh_mv.live(NULL::{view.name})")
                self.execute("ROLLBACK")

    def compare(self, view, moment, source=None):
        """Notes if a view, or another source of its rows, is not what its query returns."""
        source = source or view.name
        differences = (f"SELECT sum(n) AS n, r FROM (SELECT _row::text AS r, -1 AS n FROM {source} _row UNION ALL"
                       " SELECT _row::text, 1 FROM _right _row) d GROUP BY r HAVING sum(n) <> 0")
        if view.comparable:
            differences += (f" UNION ALL SELECT 1, _row::text FROM (TABLE _right EXCEPT ALL SELECT * FROM {source}) _row"
                            f" UNION ALL SELECT -1, _row::text FROM (SELECT * FROM {source} EXCEPT ALL TABLE _right) _row")
        rows = self.execute(f"WITH _right AS MATERIALIZED ({view.query}) {differences} ORDER BY r")
        self.compared += 1
        if rows:
            self.wrong.append("\n".join([f"{self.domain.name}.{view.name} is wrong after {moment}:"] + [
                f"  {abs(n)} {'missing' if n > 0 else 'extra'}: {row}" for n, row in rows[:SOME]]))

    def by_order(self, report):
        """Makes all changes in the order of the file, and looks at the methods."""
        self.set_up()
        for change, sqls in self.domain.changes.items():
            for sql in sqls:
                self.execute(sql)
            for name, (method, reason) in self.check(change).items():
                report.count(self.domain.name, name, change, method, reason)
        for view in self.domain.views:
            for change in self.domain.changes if view.untracked is None else ():
                expected, beginning = view.expected.get(change, (set(), ""))
                method, reason = report.taken.get((self.domain.name, view.name, change), ("none", ""))
                if method not in expected or method == "full" and not reason.startswith(beginning):
                    wanted = f"{' or '.join(sorted(expected)) or 'what nobody has said'}{beginning and f' ({beginning})'}"
                    self.wrong.append(f"{self.domain.name}.{view.name} after {change}: {method} ({reason}) instead of {wanted}")

    def at_random(self, seed):
        """Makes the changes one by one at random, some of them twice, and refreshes now and then."""
        dice = random.Random(f"{self.domain.name} {seed}")
        limit = "1e9" if seed % 2 else "default"
        self.set_up(limit)
        sqls = [sql for sqls in self.domain.changes.values() for sql in sqls]
        sqls = dice.sample(sqls + sqls[::3], len(sqls + sqls[::3]))
        done = []
        while sqls and not self.wrong:
            for sql in sqls[:dice.choice([1, 2, 4, 8])]:
                sqls.remove(sql)
                try:
                    self.execute(sql)
                    done.append(sql)
                except (psycopg2.IntegrityError, psycopg2.ProgrammingError):
                    pass
            done.append(f"-- live, and refresh at {limit}")
            self.check_live(f"round {seed}")
            self.check(f"round {seed}")
        if self.wrong:
            print(*done, sep=";\n")


class Report:
    """What was seen of all domains."""

    def __init__(self):
        self.taken = {}  # (domain, view, change): method, reason
        self.methods = collections.Counter()

    def count(self, domain, view, change, method, reason):
        """Takes in a refresh."""
        self.taken[domain, view, change] = method, reason
        self.methods[method] += 1

    def show(self, domain):
        """Prints what the sections of a domain's views would say."""
        for view in domain.views:
            ways = collections.defaultdict(list)
            for change in domain.changes:
                method, reason = self.taken.get((domain.name, view.name, change), ("none", ""))
                ways[method, f" ({reason})" if method == "full" else ""].append(change)
            parts = [f"{method} {' '.join(changes)}{reason}" for (method, reason), changes in sorted(ways.items())]
            print(f"{domain.name}.{view.name}: {'; '.join(parts)}")


def create_database():
    """Makes an empty one with the extension."""
    connection = psycopg2.connect(dbname="postgres", options=SETTINGS)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    cursor.execute(f"CREATE DATABASE {DATABASE}")
    connection.close()
    with psycopg2.connect(dbname=DATABASE) as connection:
        connection.cursor().execute("CREATE EXTENSION refresh_mv")
    connection.close()


def main():
    """Runs the domains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--rounds", type=int, default=40 if os.environ.get("TEST_LONG") else 0)
    parser.add_argument("names", metavar="NAME", nargs="*")
    arguments = parser.parse_args()
    create_database()
    report, wrong, start = Report(), [], time.monotonic()
    for path in [DOMAINS / f"{name}.sql" for name in arguments.names] or sorted(DOMAINS.glob("*.sql")):
        run = Run(Domain(path))
        lacking = run.lacks()
        if lacking:
            print(f"{path.stem}: skipped, there is no extension {lacking}")
            continue
        run.by_order(report)
        for seed in range(arguments.rounds):
            run.at_random(seed)
        if arguments.show:
            report.show(run.domain)
        print(f"{path.stem}: {len(run.domain.views)} views, {run.compared} comparisons, {len(run.wrong)} wrong", flush=True)
        print(*run.wrong[:40], sep="\n", end="\n" * bool(run.wrong))
        wrong += run.wrong
        run.connection.close()
    print(f"{dict(report.methods)}, {time.monotonic() - start:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
