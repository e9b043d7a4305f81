#!/usr/bin/python3
"""Tests that tracked views of all shapes are refreshed exactly, by the expected method.

Random transactions change tables full of nulls, duplicates and numbers of mixed
scales: by row and in bulk, keys too, in part rolled back, now and then committed
only after the next refresh. All views of exact_views.sql are then refreshed at
once. Each has to hold what its query returns, byte for byte, and the history has
to name the method of the catalogue.

A scenario is 40 such rounds on tables that are filled anew; it is the same each
time. exact.py [--seed N] [--only REGEX]: the scenario N, the views whose names
match (and what they read), and the copies of tables. TEST_LONG=1 runs 1520 rounds.
Now and then all views are explained with the queries that would be run; the method that is
chosen there has to be the one that the refresh takes. On a server
that was built with --enable-cassert (PG_CONFIG says which) each changed query tree is
printed, written, read and planned before it is used.
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
from psycopg2 import errorcodes

DATABASE = "refresh_mv_exact"
CATALOGUE = pathlib.Path(__file__).with_name("exact_views.sql")
ROUNDS = 40
EXPLAINED = 20  # in each of so many rounds all queries are printed
SCENARIOS = 38 if os.environ.get("TEST_LONG") else 1
# Nobody is in the way of a refresh but, now and then, an autovacuum.
SETTINGS = "-c lock_timeout=10s -c statement_timeout=60s -c client_min_messages=error -c jit=off"
# Tables that are written to, and about how many rows they have.
SIZES = {"products": 30, "orders": 120, "items": 250, "customers": 45, "events": 120, "devices": 40, "staff": 30,
         "tags": 100, "shipments": 70, "regions": 6, "rates": 4, "keyless": 40, "nullable_key": 40, "ledger": 40}
PARTS = {"events": ["events_1", "events_2", "events_rest"], "ledger": ["ledger_old"]}
BUSY = ["orders"] * 4 + ["items"] * 3 + ["customers"] * 2 + ["tags", "events"]  # written to more often
CHILDREN = {"products": {"items"}}  # written to by foreign keys
# What may go wrong with a statement that fits no better than random ones do.
EXPECTED = {errorcodes.UNIQUE_VIOLATION, errorcodes.FOREIGN_KEY_VIOLATION, errorcodes.CHECK_VIOLATION,
            errorcodes.LOCK_NOT_AVAILABLE, errorcodes.CARDINALITY_VIOLATION, errorcodes.TRIGGERED_DATA_CHANGE_VIOLATION}

# Random values, by table and column, column, or type.
VALUES = {
    "order_id": range(1, 151), "orders.id": range(1, 151), "line": range(1, 5),
    "customer": range(1, 56), "owner": range(1, 56), "customers.id": range(1, 56),
    "region": range(1, 9), "regions.id": range(1, 9), "manager": range(1, 41), "staff.id": range(1, 41),
    "sku": [f"P{i}" for i in range(1, 41)],
    "items.sku": [f"(SELECT max(sku) FROM products WHERE sku <= 'P{i}')" for i in range(1, 41)],
    "currency": ["EUR", "USD", "eur", "GBP", "CHF"],
    "status": ["new", "open", "done", "Done"] * 6 + ["rare"], "kind": ["click", "view", "new"] * 6 + ["rare"],
    "tag": ["a", "b", "c", "d", ""], "note": ["a", "b", "a b", "b c a", "", "Ä"], "part": [1, 2, 3, 4],
    "events.id": range(1, 80), "volume": [*range(-2, 9), 2 ** 63 - 1, -2 ** 63],
    "serial": [f"00000000-0000-4000-8000-{i:012}" for i in range(60)], "price": ["1", "4.5", "9.99", "0"],
    "rate": ["0.5", "1.25", "2", "3", "0.9999"], "span": ["1 hour", "90 minutes", "-2 hours", "0"],
    "ledger.id": range(1, 80), "nullable_key.a": range(1, 80),
    "smallint": range(5), "integer": range(-1, 6),
    "numeric": ["1.0", "1.00", "2.2", "2.20", "2.200", "0", "-0.50", "7", "3.14159", "-12345678901234567890.123"] * 30
               + ["NaN", "Infinity", "-Infinity"], "money": ["1.00", "-2.50", "0", "1000"],
    "double precision": ["0.5", "0.25", "1.5", "-2", "1024"] * 20 + ["NaN", "Infinity"],  # any sum of these is exact
    "interval": ["1 day", "24:00:00", "-1 mon", "1 mon 2 days 03:00", "00:00:00.5"],
    "date": [f"2024-01-{i:02}" for i in range(1, 32)],
    "timestamp without time zone": [f"2024-{m:02}-15 {h:02}:30" for m in (1, 2, 3) for h in (0, 7, 23)],
    "timestamp with time zone": [f"2024-01-{d:02} {h:02}:30+00" for d in (1, 2, 3) for h in (0, 7, 23)],
    "boolean": ["true", "false"], "tier": ["low", "mid", "high"],
    "text": ["x", "y", "X", "", "Müller"], "character varying": ["v", "w", "vw"], "character": ["A", "AB", "b"],
}
COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, NULL), a.attnotnull,
           coalesce(a.attnum = ANY (i.indkey), a.attnum = 1)
    FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisunique
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 ORDER BY a.attnum"""
# The columns that views read of each relation below them, be it through ordinary views; none if it is only
# its rows that matter, or a whole one.
COLUMNS_READ = """
    WITH RECURSIVE used AS (
        SELECT c.oid AS view, c.oid AS reader FROM pg_class c WHERE c.relkind = 'm'
        UNION SELECT u.view, d.refobjid FROM used u JOIN pg_rewrite r ON r.ev_class = u.reader
            JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refobjid <> u.reader
            JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid AND c.relkind = 'v')
    SELECT u.view::regclass::text, d.refobjid::regclass::text, coalesce(array_agg(DISTINCT a.attname ORDER BY a.attname) FILTER (WHERE a.attname IS NOT NULL), '{}'),
           bool_or(u.reader <> u.view)
    FROM used u JOIN pg_rewrite r ON r.ev_class = u.reader
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.refobjid <> u.reader GROUP BY 1, 2"""


@dataclasses.dataclass
class View:
    """An entry of the catalogue."""
    name: str
    methods: set
    whole: set       # tables whose changes make it a full refresh
    query: str
    tracked: bool = False
    sources: set = dataclasses.field(default_factory=set)
    columns: dict = dataclasses.field(default_factory=dict)  # that it reads, by source
    between: bool = False  # an ordinary view or a CTE is, of which it need not read all columns


def read_catalogue(only, version=0):
    """The statements before the views, and the views, for a major version of PostgreSQL."""
    before, views = CATALOGUE.read_text(encoding="utf-8").split("-- Views\n")
    found = re.findall(r"^-- (\w+): ([a-z|]+)(?: from17\(([a-z|]+)\))?(?: whole\(([\w ]+)\))?: .*\n([^;]+);$", views, re.MULTILINE)
    assert len(found) == views.count(";") == len({name for name, *_ in found}), "the catalogue is malformed"
    return before, {name: View(name, set((version >= 17 and newer or methods).split("|")), set(whole.split()), query)
                    for name, methods, newer, whole, query in found
                    if re.search(only, name) or query.startswith("SELECT * FROM")}


class Session:
    """A connection in autocommit."""

    def __init__(self, database=DATABASE):
        self.connection = psycopg2.connect(dbname=database, options=SETTINGS)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()

    def execute(self, sql, arguments=None):
        """Returns the rows, if there are any."""
        self.cursor.execute(sql, arguments)
        return self.cursor.fetchall() if self.cursor.description else None


class Statements:
    """Makes random statements on a table."""

    def __init__(self, table, columns, dice):
        self.table = table
        self.dice = dice
        self.types = {name: kind for name, kind, _, _ in columns}
        self.nullable = {name for name, _, not_null, _ in columns if not not_null}
        self.key = [name for name, _, _, in_key in columns if in_key]
        self.rest = [name for name in self.types if name not in self.key]
        self.all = ", ".join(self.types)
        self.has_key = not self.nullable.intersection(self.key)

    def value(self, column):
        """A random value of the column."""
        kind = self.types[column]
        if column in self.nullable and self.dice.random() < 0.15:
            return f"NULL::{kind}"
        domain = next(name for name in (f"{self.table}.{column}", column, kind) if name in VALUES)
        value = self.dice.choice(VALUES[domain])
        return value if domain == "items.sku" else f"'{value}'::{kind}"

    def values(self, rows):
        """Rows for VALUES."""
        return ", ".join("(" + ", ".join(map(self.value, self.types)) + ")" for _ in range(rows))

    def fill(self):
        """About as many rows as the table should have."""
        return (f"INSERT INTO {self.table} ({self.all}) VALUES {self.values(SIZES[self.table] * 3 // 2)}"
                " ON CONFLICT DO NOTHING")

    def relation(self):
        """The table, or sometimes a part of it."""
        return self.dice.choice(PARTS[self.table]) if self.table in PARTS and self.dice.random() < 0.3 else self.table

    def with_key(self):
        """A condition on the key."""
        return "(" + " AND ".join(f"{column} = {self.value(column)}" for column in self.key) + ")"

    def condition(self):
        """A random condition: a row, some, many, those with the first or last key."""
        column = self.dice.choice(list(self.types))
        extreme = f"ORDER BY {self.key[0]} {self.dice.choice(['', 'DESC'])} LIMIT 1"
        return self.dice.choice([
            self.with_key(), self.with_key(), " OR ".join(self.with_key() for _ in range(4)),
            f"{column} = {self.value(column)}", f"{column} IS NULL",
            f"hashtext(({', '.join(self.key)})::text) % {self.dice.choice([3, 7])} = 0",
            f"{self.key[0]} = (SELECT {self.key[0]} FROM {self.table} {extreme})"])

    def assignments(self, columns=None):
        """For UPDATE; of one column or several that are not of the key, if none are given."""
        columns = columns or self.dice.sample(self.rest, min(len(self.rest), self.dice.choice([1, 1, 2, 3])))
        return ", ".join(f"{column} = {self.value(column)}" for column in columns)

    def insert(self):
        """INSERT, mostly with ON CONFLICT."""
        rows = self.dice.choice([1, 1, 2, 4, max(4, SIZES[self.table] // 8)])
        conflict = self.dice.choice(["", " ON CONFLICT DO NOTHING", " ON CONFLICT DO NOTHING"])
        if self.has_key and self.table not in PARTS and self.dice.random() < 0.3:
            conflict = f" ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {self.assignments()}"
        return f"INSERT INTO {self.relation()} ({self.all}) VALUES {self.values(rows)}{conflict}"

    def update(self):
        """UPDATE of other columns than the key."""
        return f"UPDATE {self.relation()} SET {self.assignments()} WHERE {self.condition()}"

    def delete(self):
        """DELETE."""
        return f"DELETE FROM {self.relation()} WHERE {self.condition()}"

    def update_key(self):
        """UPDATE of the key, or of a part of it."""
        return f"UPDATE {self.table} SET {self.assignments([self.dice.choice(self.key)])} WHERE {self.with_key()}"

    def swap(self):
        """Two values of a column swapped in one statement; keys, foreign keys, or names."""
        column = self.dice.choice([self.key[-1], *self.rest])
        one, two = self.value(column), self.value(column)
        swapped = f"CASE {column} WHEN {one} THEN {two} ELSE {one} END"
        where = f"WHERE {column} IN ({one}, {two})"
        if column not in self.key:
            return f"UPDATE {self.table} SET {column} = {swapped} {where}"
        where += "".join(f" AND {other} = {self.value(other)}" for other in self.key[:-1])
        return self.moved(where, column, swapped) + f" ORDER BY {column}"

    def replace(self):
        """Rows deleted, and inserted again with another value, in one statement."""
        column = self.dice.choice(self.rest)
        return self.moved(f"WHERE {self.condition()}", column, self.value(column))

    def moved(self, where, column, value):
        """Rows deleted and inserted again."""
        return (f"WITH gone AS (DELETE FROM {self.table} {where} RETURNING *) INSERT INTO {self.table} ({self.all})"
                f" SELECT {', '.join(value if name == column else name for name in self.types)} FROM gone")

    def twice(self):
        """A row deleted and inserted again, or the other way round, by two statements."""
        row = {name: self.value(name) for name in self.types}
        pair = [f"DELETE FROM {self.table} WHERE {' AND '.join(f'{name} = {row[name]}' for name in self.key)}",
                f"INSERT INTO {self.table} ({self.all}) VALUES ({', '.join(row.values())}) ON CONFLICT DO NOTHING"]
        return "; ".join(self.dice.choice([pair, pair[::-1]]))

    def merge(self):
        """MERGE that does all three."""
        same = " AND ".join(f"t.{column} = s.{column}" for column in self.key)
        column = self.dice.choice(self.rest)
        return (f"MERGE INTO {self.table} t USING (VALUES {self.values(4)}) s ({self.all}) ON {same}"
                f" WHEN MATCHED AND s.{column} IS NULL THEN DELETE"
                f" WHEN MATCHED THEN UPDATE SET {column} = s.{column}"
                f" WHEN NOT MATCHED THEN INSERT ({self.all}) VALUES ({', '.join('s.' + name for name in self.types)})")

    def simple(self):
        """One that a WITH may hold."""
        return self.dice.choice([self.insert, self.update, self.delete])()

    def any(self, more):
        """One of all these; often an INSERT if there should be more rows."""
        if self.dice.random() < (0.4 if more else 0.1):
            return self.insert()
        if not self.has_key:
            return self.simple()
        return self.dice.choice([self.insert, self.update, self.update, self.update_key, self.update_key, self.swap,
                                 self.swap, self.delete, self.merge, self.replace, self.twice])()


@dataclasses.dataclass
class Changes:
    """What transactions have done."""
    touched: set = dataclasses.field(default_factory=set)  # tables that may have changed
    truncated: set = dataclasses.field(default_factory=set)
    statements: list = dataclasses.field(default_factory=list)

    def add(self, other):
        """Takes in those of a transaction that is committed."""
        self.touched |= other.touched
        self.truncated |= other.truncated
        self.statements += other.statements


class Scenario:
    """Rounds of random transactions and refreshes; the views are there already."""

    def __init__(self, seed, views, columns):
        self.seed = seed
        self.views = views
        self.dice = random.Random(seed)
        self.makers = {table: Statements(table, columns[table], self.dice) for table in SIZES}
        self.main, self.late = Session(), Session()
        self.round = 0
        self.new = Changes(set(SIZES), set(SIZES))  # since the last refresh
        self.open = None      # those of the transaction that is open
        self.contents = {}    # of the sources at the last refresh
        self.changed = set()  # sources that were different at the one before, and columns of them
        self.expected = {}    # views: the methods that explain() has chosen for this refresh
        with contextlib.suppress(psycopg2.Error):
            self.main.execute("SET refresh_mv.exact_cost_limit = 1e9")

    def run(self, report):
        """Returns whether all views were right."""
        self.fill()
        right = self.check(report)
        while right and self.round < ROUNDS:
            self.step()
            if self.round % EXPLAINED == 0:
                self.explain()
            right = self.check(report)
        self.main.connection.close()
        self.late.connection.close()
        return right

    def explain(self):
        """Has the queries of all methods printed, of all views; on a server with assertions, and
        in each refresh there, trees are also written, read and planned.  Notes what is chosen for
        the views that read tables alone: nothing will have changed of these by their refresh."""
        for view in self.views.values():
            rows = self.main.execute(
                "SELECT method, details, chosen FROM refresh_mv.explain(%s, verbose => true)", [view.name])
            assert any(method == "full" and "SELECT" in details for method, details, _ in rows), \
                f"nothing is printed of {view.name}"
            if not view.sources & set(self.views):
                self.expected[view.name], = [method for method, _, chosen in rows if chosen]

    def fill(self):
        """Fills all tables anew."""
        self.main.execute(f"TRUNCATE {', '.join(SIZES)}")
        for maker in self.makers.values():
            self.main.execute(maker.fill())

    def step(self):
        """Writes at random to some tables, or to none."""
        dice = self.dice
        self.round += 1
        if self.open and dice.random() < 0.7:  # since before the last refresh
            self.late.execute("COMMIT")
            self.new.add(self.open)
            self.open = None
        if dice.random() < 0.08:
            return
        tables = dice.choices([*SIZES, *BUSY], k=dice.choice([1, 2, 4, 8, 8]))
        if not self.open and dice.random() < 0.3:
            self.late.execute("BEGIN; SELECT pg_current_xact_id()")
            self.open = Changes()
        for _ in range(dice.choice([1, 1, 2])):
            self.main.execute("BEGIN")
            changes = self.write(self.main, tables)
            if dice.random() < 0.05:
                self.main.execute("ROLLBACK")
            else:
                self.main.execute("COMMIT")
                self.new.add(changes)
        if self.open:
            self.open.add(self.write(self.late, tables))

    def write(self, session, tables):
        """Executes random statements; returns the changes."""
        changes = Changes()
        session.execute("SET LOCAL lock_timeout = '20ms'")  # the other one may be in the way
        for _ in range(self.dice.randint(2, 8)):
            table, other = self.dice.choice(tables), self.dice.choice(tables)
            maker, written = self.makers[table], {table, *CHILDREN.get(table, ())}
            emptied = session is self.main and self.dice.random() < 0.01
            if emptied:
                sql = f"TRUNCATE {maker.relation()} CASCADE; {maker.fill()}"
            elif other != table and self.dice.random() < 0.3:
                sql = f"WITH one AS ({self.makers[other].simple()} RETURNING 1) {maker.simple()}"
                written |= {other, *CHILDREN.get(other, ())}
            else:
                sql = maker.any(len(self.contents[table]) < SIZES[table])
            session.execute("SAVEPOINT s")
            try:
                session.execute(sql)
                undone = self.dice.random() < 0.1
            except psycopg2.Error as error:
                if error.pgcode not in EXPECTED:
                    raise
                undone = True
            if undone:
                session.execute("ROLLBACK TO s")
            else:
                changes.add(Changes(written, written if emptied else set(), [sql]))
        return changes

    def check(self, report):
        """Refreshes all views; returns whether they are right."""
        (success, message), = self.main.execute("SELECT success, message FROM refresh_materialized_views_smart()")
        history = {view: how for view, *how in self.main.execute(
            "SELECT view, method, reason FROM refresh_mv.history"
            " WHERE run = (SELECT max(run) FROM refresh_mv.history)")}
        self.look()
        wrong = {} if success else {"refresh": message}
        for view in self.views.values():
            method, reason = history.get(f"public.{view.name}", ("none", "not in the history"))
            if self.round:  # the first one is a full refresh
                place = f"seed {self.seed} round {self.round}"
                report.count(view, method, reason, self.allowed(view), place)
                report.compare(view, self.expected.get(view.name, method), method, reason, place)
            difference = self.main.execute(
                f"SELECT sum(n), r FROM (SELECT v::text AS r, -1 AS n FROM {view.name} v"
                f" UNION ALL SELECT q::text, 1 FROM ({view.query}) q) d GROUP BY r HAVING sum(n) <> 0 ORDER BY r")
            if difference:
                rows = [f"  {abs(n)} {what}: {row}" for what, sign in (("missing", 1), ("extra", -1))
                        for n, row in [(n, row) for n, row in difference if n * sign > 0][:5]]
                wrong[view.name] = "\n".join([f"{view.name} is wrong after {method} ({reason}):", view.query, *rows])
        if wrong:
            print(f"seed {self.seed}, round {self.round}:", *[f"  {sql:.150}" for sql in self.new.statements],
                  *[*wrong.values()][:3], f"{len(wrong)} wrong: {', '.join(wrong)}", sep="\n")
        self.new = Changes()
        self.expected = {}
        return not wrong

    def look(self):
        """Reads the sources; notes which may have changed, and which have."""
        for view in self.views.values():  # those that are read come first
            if self.new.touched & view.sources:
                self.new.touched.add(view.name)
        self.changed = set()
        read = {(source, view.columns.get(source, ())) for view in self.views.values() for source in view.sources}
        for source in self.new.touched & set(SIZES).union(*(view.sources for view in self.views.values())):
            for place, what in [(source, "s"), *[((source, columns), f"ROW({', '.join(columns)})")
                                                 for name, columns in read if name == source]]:
                rows = sorted(self.main.execute(f"SELECT {what}::text FROM {source} s"))
                if rows != self.contents.get(place):
                    self.changed.add(place)
                    self.contents[place] = rows

    def allowed(self, view):
        """The methods that are right for a view this time."""
        if not view.tracked:
            return {"full"}
        if not self.new.touched & view.sources:
            return {"skip"}
        changed = {source for source in view.sources if (source, view.columns.get(source, ())) in self.changed}
        methods = view.methods | ({"full"} if view.whole & self.new.touched else set())
        if view.whole & changed or view.sources & self.new.truncated:
            methods = {"full"}
        # What has changed below may leave the rows of the view in between as they were; and what has changed
        # there, the columns that the view reads.
        over_view = view.name.startswith("m_")
        return methods if changed and not over_view and not view.between else methods | {"skip"}


class Report:
    """Counts methods."""

    def __init__(self):
        self.methods = collections.Counter()
        self.used = collections.defaultdict(set)    # view: the methods it was refreshed by
        self.wrong = collections.defaultdict(dict)  # what is wrong: view: where first

    def count(self, view, method, reason, allowed, place):
        """Counts one refresh."""
        self.methods[method] += 1
        self.used[view.name].add(method)
        if method not in allowed:
            what = f"{method} instead of {' or '.join(sorted(allowed - {'skip'} or allowed))}: {reason}"
            self.wrong[re.sub(r"\d+", "N", what)].setdefault(view.name, place)

    def compare(self, view, expected, method, reason, place):
        """Notes if a refresh took another method than explain() had chosen.  That the largest value
        of all rows has gone, or too many of the first rows, shows only when the rows are read."""
        if method != expected and not re.search("value of all has gone|come up from behind", reason):
            what = f"{method} and not {expected}, as explain() has it: {reason}"
            self.wrong[re.sub(r"\d+", "N", what)].setdefault(view.name, place)

    def print(self, views):
        """Prints it all; returns whether all methods were as expected."""
        def some(names):
            return f"{len(names)} views: {' '.join(names[:12])}{' ...' * (len(names) > 12)}"
        for what, places in sorted(self.wrong.items(), key=lambda item: -len(item[1])):
            print(f"{what}: first in {next(iter(places.values()))}, {some(list(places))}")
        print("methods:", dict(self.methods))
        print("expected:", dict(collections.Counter("|".join(sorted(view.methods)) for view in views.values())))
        print("not seen:", some([view.name for view in views.values() if not view.methods & self.used[view.name]]))
        return not self.wrong


def set_up(before, views):
    """Makes the database with the views; returns the columns of the tables."""
    admin = Session("postgres")
    admin.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    admin.execute(f"CREATE DATABASE {DATABASE}")
    session = Session()
    session.execute("CREATE EXTENSION refresh_mv")
    session.execute(before)
    for view in views.values():
        session.execute(f"CREATE MATERIALIZED VIEW {view.name} AS {view.query}")
    for name, source in session.execute("SELECT view::text, depends_on::text FROM refresh_mv.dependencies"):
        views[name].sources.add(source)
    for name, source, columns, between in session.execute(COLUMNS_READ):
        views[name].columns[source] = tuple(columns)
        views[name].between |= between or views[name].query.startswith("WITH")
    for name, tracked, reason in session.execute("SELECT view_name::text, tracked, reason FROM refresh_mv.track()"):
        views[name].tracked = tracked
        if tracked == bool(views[name].sources & {"keyless", "nullable_key"}):
            raise SystemExit(f"{name}: {reason}")
    return {table: session.execute(COLUMNS, [table]) for table in SIZES}


def main():
    """Runs the scenarios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    version = Session("postgres").connection.server_version // 10000
    before, views = read_catalogue(arguments.only, version)
    start = time.monotonic()
    columns = set_up(before, views)
    report = Report()
    seeds = range(1, SCENARIOS + 1) if arguments.seed is None else [arguments.seed]
    exact = all(Scenario(seed, views, columns).run(report) for seed in seeds)
    expected = report.print(views)
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if exact and expected else 1


if __name__ == "__main__":
    sys.exit(main())
