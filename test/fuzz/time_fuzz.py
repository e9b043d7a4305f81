#!/usr/bin/python3
"""Differential fuzzer of views that go by the time (src/query/time_conditions.hpp).

Random views over two small tables with dates, with conditions on the time; rounds of changes and of time that passes,
or goes back: all dates are moved, behind the backs of the views, and so is the time of their last refreshes.  (So
conditions are such that it does not matter to them when all dates and the time are some days off, and no view shows a
date.)  Each refresh is compared with the query in its own transaction; before it, verify() must not find the view wrong.

time_fuzz.py [--seed N] [--schemas N] [--rounds N]: without arguments it goes on until 300 refreshes have been by
`delta` or `keys`, by TEST_LONG=1 20,000.
"""
import argparse
import collections
import os
import random
import sys
import time

import psycopg2

sys.dont_write_bytecode = True  # nothing is left in this folder

# pylint: disable=wrong-import-position
from session import connect, create_database, drop_database

DATABASE = f"refresh_mv_time_fuzz_{os.getpid()}"
REFRESHES = 20000 if os.environ.get("TEST_LONG") else 300
MOST_CHANGED = 3    # instances in a view
ZONES = ["UTC", "UTC", "Etc/GMT+11", "Etc/GMT-14", "<x>-23:30"]   # of one offset: a day has 24 hours in them


class Grammar:
    """Makes conditions on the time, and queries with them."""

    def __init__(self, dice):
        self.dice = dice
        self.aliases = 0
        self.left = MOST_CHANGED

    def one(self, *choices):
        """One of them."""
        return self.dice.choice(choices)

    def chance(self, probability):
        """True so often."""
        return self.dice.random() < probability

    def span(self):
        """An interval of some days."""
        return f"interval '{self.dice.randint(-12, 20)} days {self.dice.choice([0, 0, 5])} hours'"

    def now(self):
        """The time."""
        return self.one("now()", "now()", "current_timestamp", "transaction_timestamp()", "statement_timestamp()", "current_timestamp(0)")

    def simple(self, a):
        """A comparison with the time, of a row of an alias."""
        op = self.one("<", "<=", ">", ">=", ">", ">=")
        days = self.dice.randint(-12, 20)
        return self.one(
            f"{a}.at {op} {self.now()} - {self.span()}",
            f"{a}.at {op} {self.now()} - {self.span()}",
            f"{self.now()} - {self.span()} {op} {a}.at",
            f"{a}.at BETWEEN {self.now()} - interval '{days + 5} days' AND {self.now()} - interval '{days} days'",
            f"now() - {a}.at {op} {self.span()}",
            f"{self.span()} {op} {self.now()} - {a}.at",
            f"{a}.at + {self.span()} {op} now()",
            f"{a}.at {op} now() - {a}.span",
            f"{a}.local {op} localtimestamp - {self.span()}",
            f"localtimestamp - {a}.local {op} {self.span()}",
            f"{a}.local {op} now() - {self.span()}",
            f"{a}.day {op} current_date - {days}",
            f"{a}.day = current_date - {days}",
            f"current_date - {a}.day {op} {days}",
            f"current_date - {a}.day BETWEEN {days} AND {days + 3}",
            f"{a}.day {op} now() - {self.span()}",
            f"{a}.day IN (current_date, current_date - {days})",
            f"age({a}.at) {op} {self.span()}",
            f"date_trunc('day', {a}.at) {self.one(op, '=')} date_trunc('day', now()) - interval '{days} days'",
            f"{a}.at::date {self.one(op, '=')} current_date - {days}",
            f"({a}.at AT TIME ZONE 'Etc/GMT-9')::date {self.one(op, '=')} (now() AT TIME ZONE 'Etc/GMT-9')::date - {days}",
            f"({a}.local AT TIME ZONE 'Etc/GMT+9')::date {self.one(op, '=')} current_date - {days}",
            f"date_trunc('day', {a}.local - interval '6 hours') {self.one(op, '=')} date_trunc('day', now()::timestamp - {self.span()})",
            f"date_trunc('hour', {a}.at - {self.span()}) {self.one(op, '=')} date_trunc('hour', now(), 'Etc/GMT+3') - {self.span()}",
            f"({a}.at - {self.span()})::timestamp::date {self.one(op, '=')} current_date - {days}",
            f"extract(epoch FROM now() - {a}.at) {op} {days * 86400}",
            f"({a}.at {op} now() - {self.span()}) IS {self.one('NOT TRUE', 'NOT FALSE', 'NULL', 'TRUE')}")

    def condition(self, a):
        """The same, or several, or of another table."""
        kind = self.dice.random()
        if kind < 0.1:
            return f"({self.simple(a)} OR {self.simple(a)})"
        if kind < 0.16:
            return f"NOT {self.simple(a)}" if "BETWEEN" not in (sql := self.simple(a)) else sql
        if kind < 0.22:
            return f"({self.simple(a)} OR {a}.v = {self.dice.randint(0, 6)})"
        if kind < 0.28:
            return f"{self.one('EXISTS', 'NOT EXISTS')} (SELECT FROM steady s WHERE s.k = {a}.k AND {self.simple('s')})"
        if kind < 0.32:
            return f"{a}.at > now() - (SELECT max(s.span) FROM steady s)"
        return self.simple(a)

    def where(self, aliases):
        """Some conditions, one on the time at least."""
        conditions = [self.condition(self.dice.choice(aliases)) for _ in range(self.one(1, 1, 2, 3))]
        if self.chance(0.3):
            conditions.append(f"{self.dice.choice(aliases)}.v <> {self.dice.randint(0, 6)}")
        if len(aliases) > 1 and self.chance(0.2):
            a, b = self.dice.sample(aliases, 2)
            conditions.append(f"{a}.at {self.one('<', '>')} {b}.at + {self.span()}")
        self.dice.shuffle(conditions)
        return " WHERE " + " AND ".join(conditions)

    def alias(self):
        """A new one."""
        self.aliases += 1
        return f"r{self.aliases}"

    def leaf(self):
        """A table, or something that is additive in it; with its alias."""
        alias = self.alias()
        self.left -= 1
        kind = self.dice.random()
        table = self.one("t0", "t0", "t1", "bag")
        if kind < 0.12:
            return f"(SELECT * FROM {table} i{self.where(['i'])}) {alias}", alias
        if kind < 0.3 and self.left > 0:
            self.left -= 1
            arms = [f"SELECT i.* FROM {self.one('t0', 't1')} i{self.where(['i']) if self.chance(0.8) else ''}" for _ in range(2)]
            return f"({' UNION ALL '.join(arms)}) {alias}", alias
        if kind < 0.38:
            return f"lately {alias}", alias
        return f"{table} {alias}", alias

    def joined(self):
        """FROM, with its aliases."""
        text, alias = self.leaf()
        aliases = [alias]
        while self.left > 0 and self.chance(0.4):
            right, alias = self.leaf()
            link = f"{alias}.k = {self.dice.choice(aliases)}.k"
            if self.chance(0.3):
                link += f" AND {self.condition(alias)}"
            text += f" JOIN {right} ON {link}"
            aliases.append(alias)
        if self.chance(0.15):
            text += f" LEFT JOIN steady s ON s.k = {aliases[0]}.k"
        if self.chance(0.1):
            a = self.dice.choice(aliases)
            text += f" CROSS JOIN LATERAL (SELECT s.v AS w FROM steady s WHERE s.k = {a}.k AND {self.simple('s')}) l"
        return text, aliases

    def query(self):
        """A whole query."""
        text, aliases = self.joined()
        where = self.where(aliases)
        a, b = self.dice.choice(aliases), self.dice.choice(aliases)
        aggregates = self.dice.sample([f"sum({b}.v)", f"min({b}.v)", f"max({a}.v)", f"count(DISTINCT {b}.v)", f"avg({b}.n)",
                                       f"sum({a}.n)", "count(*)", f"string_agg({a}.v::text, ',' ORDER BY {a}.v)"], 3)
        outputs = ", ".join(f"{aggregate} AS a{i}" for i, aggregate in enumerate(aggregates))
        kind = self.dice.random()
        if kind < 0.5:
            having = f" HAVING count(*) > {self.dice.randint(1, 2)}" if self.chance(0.2) else ""
            return f"SELECT {a}.k, {outputs} FROM {text}{where} GROUP BY {a}.k{having}"
        if kind < 0.6:
            return f"SELECT count(*) AS c, {outputs} FROM {text}{where}"
        if kind < 0.7:
            return f"SELECT DISTINCT {a}.k, {b}.v FROM {text}{where}"
        if kind < 0.8:
            return f"WITH w AS (SELECT {a}.k, {b}.v, {a}.n FROM {text}{where}) SELECT w.k, count(*) AS c, sum(w.n) AS n FROM w GROUP BY w.k"
        ids = ", ".join(f"{alias}.id AS i{i}" for i, alias in enumerate(aliases))
        return f"SELECT {ids}, {a}.v, {b}.n FROM {text}{where}"


class Scenario:
    """Tables and views, all made from one seed."""

    def __init__(self, seed, methods):
        self.dice = random.Random(seed)
        self.methods = methods
        self.views = {}
        create_database(DATABASE)
        self.connection = connect(DATABASE, f"-c TimeZone={self.dice.choice(ZONES)} -c client_min_messages=error -c jit=off -c refresh_mv.exact_cost_limit=1e9")
        self.cursor = self.connection.cursor()

    def close(self):
        """Leaves nothing behind."""
        self.connection.close()
        drop_database(DATABASE)

    def execute(self, sql):
        """Returns the rows, if there are any."""
        self.cursor.execute(sql)
        return self.cursor.fetchall() if self.cursor.description else None

    def rows(self, first, last):
        """Rows as a query."""
        return (f"SELECT i, (random() * 5)::int, (random() * 6)::int, (random() * 30)::int / 7::numeric, a, a::timestamp,"
                f" a::date, make_interval(days => (random() * 9)::int) FROM generate_series({first}, {last}) i,"
                f" LATERAL (SELECT CASE WHEN random() > 0.06 THEN now() + (random() * 50 - 35 + i * 0) * interval '1 day' END) s (a)")

    def set_up(self):
        """Makes tables and views."""
        self.execute(f"SELECT setseed({self.dice.random()})")
        for table in ("t0", "t1", "steady"):
            self.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, k int, v int, n numeric, at timestamptz, local timestamp, day date, span interval)")
            self.execute(f"INSERT INTO {table} {self.rows(1, self.dice.choice([5, 20, 40]))}")
        if self.dice.random() < 0.5:
            self.execute("CREATE INDEX ON t0 (at); CREATE INDEX ON t1 (day); CREATE INDEX ON t0 (local)")
        self.execute("CREATE VIEW lately AS SELECT * FROM t1 WHERE at > now() - interval '9 days'")
        self.execute("CREATE MATERIALIZED VIEW bag AS SELECT 1 AS id, k, v, n, at, local, day, span FROM t0 WHERE v < 4")
        self.execute("SELECT refresh_mv.track('bag')")
        self.execute("ANALYZE")
        while len(self.views) < 10:
            name = f"m{len(self.views)}"
            self.views[name] = Grammar(self.dice).query()
            self.execute(f"CREATE MATERIALIZED VIEW {name} AS {self.views[name]}")
            self.execute(f"SELECT refresh_mv.track('{name}')")
        self.refresh()

    def change(self):
        """Changes of rows."""
        for _ in range(self.dice.choice([0, 0, 1, 1, 2, 3])):
            table = self.dice.choice(["t0", "t0", "t1", "t1", "t1", "steady"]) if self.dice.random() < 0.3 else self.dice.choice(["t0", "t1"])
            some = f"random() < {self.dice.choice([0.05, 0.2, 0.5])}"
            sql = self.dice.choice([
                f"INSERT INTO {table} {self.rows('(SELECT coalesce(max(id), 0) + 1 FROM ' + table + ')', '(SELECT coalesce(max(id), 0) + 4 FROM ' + table + ')')}",
                f"DELETE FROM {table} WHERE {some}",
                f"UPDATE {table} SET at = at + (random() * 30 - 15) * interval '1 day', day = day + (random() * 8 - 4)::int,"
                f" local = local - (random() * 9)::int * interval '1 day' WHERE {some}",
                f"UPDATE {table} SET v = (v + 1) % 7, n = n + 1 WHERE {some}",
                f"UPDATE {table} SET k = (k + 1) % 6, at = CASE WHEN at IS NULL THEN now() END WHERE {some}"])
            self.execute(sql)

    def pass_time(self, days):
        """Lets days pass."""
        for table in ("t0", "t1", "steady"):
            self.execute(f"UPDATE {table} SET at = at - {days} * interval '1 day', local = local - {days} * interval '1 day', day = day - {days}")
        self.execute("SELECT refresh_materialized_views_smart('{bag}')")
        self.execute("UPDATE refresh_mv.state SET snapshot = pg_current_snapshot(), own_xid = NULL, own_seq = NULL,"
                     f" as_of = as_of - {days} * interval '1 day', as_of_statement = as_of_statement - {days} * interval '1 day'"
                     " WHERE snapshot IS NOT NULL")

    def fail(self, view, what):
        """Ends with what was found."""
        raise AssertionError(f"{view} {what}:\n  {self.views[view]}")

    def compare_live(self, view, query):
        """Compares what live() tells of a view with its query, unless it refuses to tell."""
        self.execute("SAVEPOINT live")
        try:
            live = f"SELECT * FROM refresh_mv.live(NULL::{view})"
            difference = self.execute(f"(SELECT 'extra', d::text FROM (({live}) EXCEPT ALL ({query})) d)"
                                      f" UNION ALL (SELECT 'missing', d::text FROM (({query}) EXCEPT ALL ({live})) d)")
            self.methods["live"] += 1
            if difference:
                self.fail(view, f"is told wrong by live(): {difference[:5]}")
        except psycopg2.Error as error:
            if error.pgcode not in ("55000", "53400") and not (error.pgcode or "").startswith("22"):
                raise
            self.execute("ROLLBACK TO live")
            self.methods[f"live refused: {error.diag.message_detail}"] += 1

    def refresh(self):
        """Refreshes all views, and compares each with its query in the same transaction."""
        self.execute("SELECT refresh_materialized_views_smart('{bag}')")
        for view, query in self.views.items():
            if self.dice.random() < 0.3:
                (verdict, remark), = self.execute(f"SELECT verdict, remark FROM refresh_mv.verify('{view}')")
                if verdict not in ("correct", "stale"):
                    self.fail(view, f"is {verdict} before the refresh ({remark})")
            if self.dice.random() < 0.1:
                self.execute(f"SELECT count(*) FROM refresh_mv.explain('{view}', verbose => true)")
            self.execute("BEGIN")
            self.compare_live(view, query)
            self.execute(f"SELECT refresh_materialized_views_smart('{{{view}}}')")
            (method, reason), = self.execute("SELECT method, reason FROM refresh_mv.journal ORDER BY id DESC LIMIT 1")
            difference = self.execute(f"(SELECT 'extra', d::text FROM (TABLE {view} EXCEPT ALL ({query})) d)"
                                      f" UNION ALL (SELECT 'missing', d::text FROM (({query}) EXCEPT ALL TABLE {view}) d)")
            self.execute("COMMIT")
            self.methods[method] += 1
            if difference:
                self.fail(view, f"is wrong after {method} ({reason}): {difference[:5]}")
            if "SQLSTATE" in reason:
                self.fail(view, f"was {method} ({reason})")
            if method == "full":
                self.methods[reason.partition(", but ")[2] or reason] += 1

    def run(self, rounds):
        """The whole scenario."""
        self.set_up()
        for _ in range(rounds):
            if self.dice.random() < 0.8:
                self.pass_time(self.dice.choice([0, 1, 1, 2, 3, -1, -4, 12, -15, 60, -60]))
            self.change()
            self.refresh()


def main():
    """Runs seeds until there were enough refreshes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--schemas", type=int)
    parser.add_argument("--rounds", type=int, default=8)
    arguments = parser.parse_args()
    seed = first = 1 if arguments.seed is None else arguments.seed
    schemas = arguments.schemas or (1 if arguments.seed is not None else None)
    methods, start = collections.Counter(), time.monotonic()
    while seed - first < schemas if schemas else methods["delta"] + methods["keys"] < REFRESHES:
        scenario = Scenario(seed, methods)
        try:
            scenario.run(arguments.rounds)
        except Exception:
            print(f"seed {seed}")
            raise
        finally:
            scenario.close()
        seed += 1
    for method, count in methods.most_common():
        print(f"{count:7} {method}")
    exact = methods["delta"] + methods["keys"]
    print(f"{seed - first} seeds in {time.monotonic() - start:.0f} s")
    return 0 if schemas or exact > methods["full"] else 1


if __name__ == "__main__":
    sys.exit(main())
