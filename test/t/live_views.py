#!/usr/bin/python3
"""Tests that live() gives what the queries of tracked views of all shapes return, before any refresh.

The tables, views and random transactions are those of exact.py. Before each refresh, and within transactions that
have written and are not committed, live() is compared with each view's query, byte for byte and in one statement: as
a function, and as the scan that the planner makes of it, now and then with a condition that is taken in. It may refuse
to tell; the reasons are counted, and there are views that it has to tell.

live_views.py [--seed N] [--only REGEX] as exact.py has it. TEST_LONG=1 runs 10 scenarios.
"""
import argparse
import collections
import os
import re
import sys
import time

import psycopg2
from psycopg2 import errorcodes

sys.dont_write_bytecode = True  # nothing is left in this folder

# pylint: disable=wrong-import-position
import exact

SCENARIOS = 10 if os.environ.get("TEST_LONG") else 1
REFUSED = {errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE, errorcodes.CONFIGURATION_LIMIT_EXCEEDED}
COMPARABLE = {"integer", "bigint", "smallint", "text", "date", "boolean", "numeric", "uuid", "character varying",
              "timestamp without time zone", "timestamp with time zone"}


class Live:
    """Compares, and counts."""

    def __init__(self):
        self.told = collections.Counter()
        self.refused = collections.defaultdict(collections.Counter)  # reason: view: how often
        self.wrong = []

    def compare(self, session, view, dice, place):
        """Compares one view, in a transaction that is open or not."""
        columns = self.columns(session, view)
        condition = self.condition(session, view, columns, dice)
        source = f"refresh_mv.live(NULL::{view.name})"
        if condition != "true" or dice.random() < 0.5:
            source = f"(SELECT * FROM {source} WHERE {condition} OFFSET 0)"
        sql = (f"SELECT sum(n), r FROM (SELECT v::text AS r, -1 AS n FROM {source} v"
               f" UNION ALL SELECT q::text, 1 FROM ({view.query}) q WHERE {condition}) d"
               " GROUP BY r HAVING sum(n) <> 0 ORDER BY r")
        try:
            difference = self.saved(session, sql)
        except psycopg2.Error as error:
            if error.pgcode not in REFUSED:
                raise
            reason = re.sub(r"\d+", "N", error.diag.message_detail)
            self.refused[reason][view.name] += 1
            return
        self.told[view.name] += 1
        if difference:
            self.wrong.append(f"{place}: {view.name} WHERE {condition}: {view.query}: {difference[:6]}")

    @staticmethod
    def saved(session, sql):
        """Runs a query so that the transaction goes on if it fails."""
        if session.connection.info.transaction_status == 0:
            return session.execute(sql)
        session.execute("SAVEPOINT live")
        try:
            return session.execute(sql)
        except psycopg2.Error:
            session.execute("ROLLBACK TO live")
            raise
        finally:
            session.execute("RELEASE live")

    @staticmethod
    def columns(session, view):
        """The columns by which one can look for rows."""
        if not hasattr(view, "comparable"):
            view.comparable = [name for name, kind in session.execute(
                "SELECT quote_ident(attname), format_type(atttypid, NULL) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0", [view.name]) if kind in COMPARABLE]
        return view.comparable

    @staticmethod
    def condition(session, view, columns, dice):
        """A condition on a column, with a value that the view has, or none."""
        if not columns or dice.random() < 0.6:
            return "true"
        column = dice.choice(columns)
        (value,), = session.execute(f"SELECT (SELECT format('%L', {column}) FROM {view.name}"
                                    f" OFFSET {dice.randrange(8)} LIMIT 1)") or [(None,)]
        if value in (None, "NULL"):
            return f"{column} IS NULL"
        return dice.choice([f"{column} = {value}", f"{column} IN ({value}, {value})", f"{column} <= {value}",
                            f"({column} = {value} OR {column} IS NULL)", f"{column} > {value}"])


class Scenario(exact.Scenario):
    """One in which live() is compared."""

    def __init__(self, live, *arguments):
        super().__init__(*arguments)
        self.live = live

    def tracked(self):
        """The views to compare."""
        return [view for view in self.views.values() if view.tracked]

    def write(self, session, tables):
        """Writes, and compares a few views in the transaction that has written."""
        changes = super().write(session, tables)
        if session is self.main:
            for view in self.dice.sample(self.tracked(), min(3, len(self.tracked()))):
                self.live.compare(session, view, self.dice, f"seed {self.seed} in round {self.round}")
        return changes

    def check(self, report):
        """Compares all views before they are refreshed."""
        if self.round:
            for view in self.tracked():
                self.live.compare(self.main, view, self.dice, f"seed {self.seed} round {self.round}")
        right = super().check(report)
        for wrong in self.live.wrong[:5]:
            print(wrong)
        return right and not self.live.wrong


def main():
    """Runs the scenarios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    exact.DATABASE = "refresh_mv_live_views"
    exact.Session.__init__.__defaults__ = (exact.DATABASE,)
    version = exact.Session("postgres").connection.server_version // 10000
    before, views = exact.read_catalogue(arguments.only, version)
    start = time.monotonic()
    columns = exact.set_up(before, views)
    live = Live()
    seeds = range(1, SCENARIOS + 1) if arguments.seed is None else [arguments.seed]
    right = all(Scenario(live, seed, views, columns).run(exact.Report()) for seed in seeds)
    for reason, where in sorted(live.refused.items(), key=lambda item: -sum(item[1].values())):
        print(f"refused {sum(where.values())} times: {reason} {' '.join(sorted(where)[:10])}{' ...' * (len(where) > 10)}")
    never = sorted(view.name for view in views.values() if view.tracked and not live.told[view.name])
    print(f"told {sum(live.told.values())} times, of {len(live.told)} views; never of {len(never)}: {' '.join(never)}")
    print(f"{len(live.wrong)} wrong, {time.monotonic() - start:.0f} s")
    return 0 if right and not live.wrong and (arguments.only or len(live.told) > 100) else 1


if __name__ == "__main__":
    sys.exit(main())
