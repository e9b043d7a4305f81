#!/usr/bin/python3
"""Tests that a view of whatever query sqlsmith makes is refreshed as REFRESH would.

Random queries on the tables of exact_views.sql, half of them grouped, become views
if REFRESH can do them. Each is tracked, unless that is refused, and refreshed smart
and in full, before and after random changes. A refresh may fail only where REFRESH
does, the server may not crash, and the view has to hold what its query returns,
where that does not depend on the plan.

sqlsmith.py [--seed N]: from the seed N on. TEST_LONG=1 takes 2500 views.
"""
import argparse
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import time

import psycopg2

import exact

DATABASE = "refresh_mv_sqlsmith"
GENERATOR = "refresh_mv_sqlsmith_generator"
VIEWS = 2500 if os.environ.get("TEST_LONG") else 120
BATCH = 400       # queries of one seed
LONGEST = 4000    # characters of a query
EXPECTED = exact.EXPECTED | {psycopg2.errorcodes.QUERY_CANCELED}
# A full refresh for a reason that is an error of the rewritten queries, or one of PostgreSQL's.
INTERNAL = re.compile("failed with SQLSTATE (42|XX|0A)")
# The database that sqlsmith reads has just the types that the tables have, roughly,
# no tables that cannot be tracked row by row, and no functions but immutable ones; it
# finds these views before the catalog.
CATALOG = """
    DROP TABLE events_1, events_2, events_rest, ledger_old, ledger, keyless, nullable_key;
    CREATE SCHEMA generator;
    CREATE VIEW generator.strange AS SELECT oid FROM pg_catalog.pg_type
        WHERE typcategory IN ('G', 'I', 'R', 'V', 'Z') OR typname IN ('pg_lsn', 'tid', 'xid', 'cid', 'xid8', 'timetz',
            'time', 'bytea', 'json', 'jsonb', 'jsonpath', 'tsvector', 'tsquery', 'gtsvector', 'xml', 'macaddr',
            'macaddr8', 'pg_snapshot', 'txid_snapshot', 'cstring', 'refcursor', 'record', 'float4', 'aclitem',
            '_aclitem', 'anyrange', 'anymultirange', 'anycompatiblerange', 'anycompatiblemultirange');
    DELETE FROM pg_catalog.pg_operator USING generator.strange s WHERE s.oid IN (oprleft, oprright, oprresult);
    CREATE VIEW generator.pg_type AS SELECT * FROM pg_catalog.pg_type WHERE oid NOT IN (SELECT oid FROM generator.strange);
    CREATE VIEW generator.pg_proc AS SELECT * FROM pg_catalog.pg_proc WHERE provolatile = 'i'
        AND NOT proargtypes::oid[] || prorettype && ARRAY(SELECT oid FROM generator.strange);
    CREATE VIEW generator.pg_attribute AS SELECT attrelid, attname, atttypid, attnum, attisdropped
        FROM pg_catalog.pg_attribute WHERE attrelid IN (
            SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace);
"""
COLUMNS = """
    SELECT quote_ident(attname), format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = 'v'::regclass AND attnum > 0 ORDER BY attnum"""
# Types as sqlsmith calls them.
NAMES = {"int2": "smallint", "int4": "integer", "int8": "bigint", "float8": "double precision", "bool": "boolean",
         "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
         "varchar": "character varying", "bpchar": "character", "name": "text", "public.tier": "tier"}
# Ways to plan a query; its result is compared if it is the same in all.
PLANS = ["", "hashagg hashjoin seqscan", "sort mergejoin nestloop", "hashjoin mergejoin indexscan bitmapscan material"]
# Types of which equal values look alike, and those that have the aggregates.
KEYS = {"smallint", "integer", "bigint", "text", "date", "boolean", "uuid", "tier", "timestamp without time zone"}
AGGREGATES = {"count": None, "min": KEYS - {"boolean", "uuid"}, "max": KEYS - {"boolean", "uuid"},
              "sum": {"smallint", "integer", "bigint", "numeric", "money"},
              "avg": {"smallint", "integer", "bigint", "numeric"}, "bool_or": {"boolean"}, "bool_and": {"boolean"}}


class Failure(Exception):
    """What is wrong with the refresh of a view."""


def generated(seed):
    """The SELECTs that sqlsmith makes of a seed."""
    environment = {**os.environ, "PGOPTIONS": "-c search_path=generator,pg_catalog,public", "PGDATABASE": GENERATOR}
    result = subprocess.run(["sqlsmith", f"--seed={seed}", f"--max-queries={BATCH}", "--dry-run", "--exclude-catalog"],
                            env=environment, capture_output=True, text=True, check=True)
    for query in result.stdout.split(";\n"):
        if re.match(r"\s*(select|with)\b", query, re.IGNORECASE) and len(query) < LONGEST:
            yield query.strip()


def tamed(query, tables, dice):
    """The query with what has no one answer mostly replaced; with more values than NULLs and subqueries, more
    joins on columns than on anything, and sometimes no condition."""
    def scalar(found):
        kinds = dict(tables.get(found[2], ()))
        if found[1] in kinds and dice.random() < 0.8:
            return value(kinds[found[1]], dice)
        return f"(select {found[1]} from {found[2]} order by 1 limit 1 offset {found[3]})"
    query = re.sub(r"tablesample \w+ \([\d.]+\)", "", query)
    query = re.sub(r"\(select (\S+) from public\.(\S+) limit 1 offset (\d+)\)", scalar, query)
    if dice.random() < 0.9:
        query = re.sub(r"\blimit \d+(?! offset)", "", query)
    if dice.random() < 0.5:
        query = re.sub(r"\nwhere .*", "", query, flags=re.DOTALL)
    if dice.random() < 0.7:
        query = joined(query, tables, dice)
    return re.sub(r'cast\(null as "?([\w.]+)"?\)', lambda found: value(NAMES.get(found[1], found[1]), dice), query)


def joined(query, tables, dice):
    """The query with conditions of joins replaced by columns that are equal."""
    start = query.find("on (")
    if start < 0:
        return query
    end, depth = start + 4, 1
    while depth:
        depth += {"(": 1, ")": -1}.get(query[end], 0)
        end += 1
    names = re.findall(r"public\.(\w+) as (\w+)", query[:start])[-2:]
    pairs = [f"on ({names[0][1]}.{one} = {names[1][1]}.{other})" for one, kind in tables.get(names[0][0], ())
             for other, same in tables.get(names[-1][0], ()) if kind == same in KEYS] if len(names) == 2 else []
    return query[:start] + (dice.choice(pairs) if pairs else query[start:end]) + joined(query[end:], tables, dice)


def value(kind, dice):
    """A value of a type; sometimes NULL."""
    domain = exact.VALUES.get("serial" if kind == "uuid" else kind)
    return f"'{dice.choice(domain)}'::{kind}" if domain and dice.random() < 0.8 else f"null::{kind}"


def grouped(query, columns, dice):
    """The query, grouped by some of its columns; or itself, if there is none to group by."""
    keys = [name for name, kind in columns if kind in KEYS]
    if not keys or len({name for name, _ in columns}) < len(columns):
        return query
    keys = dice.sample(keys, min(len(keys), dice.choice([1, 1, 2])))
    calls = [f"{function}({dice.choice(['', '', 'DISTINCT '])}{name})" for name, kind in columns
             for function, kinds in AGGREGATES.items() if (not kinds or kind in kinds) and dice.random() < 0.3]
    having = f" HAVING count(*) {dice.choice(['>', '<'])} {dice.randint(1, 4)}" if dice.random() < 0.2 else ""
    output = keys + [f"{call} AS a{i}" for i, call in enumerate(["count(*)", *calls])]
    return f"SELECT {', '.join(output)} FROM ({query}) AS grouped GROUP BY {', '.join(keys)}{having}"


class Smith:
    """Makes views of queries, one after the other, and refreshes them."""

    def __init__(self, columns):
        self.session = exact.Session(DATABASE)
        self.dice = None
        self.tables = columns  # of each table, as for Statements
        self.kinds = {table: [column[:2] for column in described] for table, described in columns.items()}
        self.counts = collections.Counter()
        self.reasons = collections.Counter()
        self.log = []  # of the statements about a view

    def execute(self, sql):
        """Executes a statement that a failure is to be told with."""
        self.log.append(sql)
        return self.session.execute(sql)

    def attempt(self, sql, timeout="1s"):
        """Executes a statement within so long; returns the SQLSTATE if it fails."""
        try:
            self.session.execute(f"SET statement_timeout = '{timeout}'")
            self.execute(sql)
        except psycopg2.Error as error:
            if self.session.connection.closed:
                raise
            self.session.execute("ROLLBACK")  # where the statement was a transaction
            return error.pgcode
        finally:
            if not self.session.connection.closed:
                self.session.execute("SET statement_timeout = '30s'")
        return None

    def run(self, query, dice):
        """Makes and refreshes a view, if that can be done."""
        self.dice, self.log = dice, []
        query = tamed(query, self.kinds, dice)
        if self.attempt(f"CREATE MATERIALIZED VIEW v AS {query} WITH NO DATA"):
            return
        try:
            if dice.random() < 0.5:
                query = grouped(query, self.session.execute(COLUMNS), dice)
                self.execute("DROP MATERIALIZED VIEW v")
                self.execute(f"CREATE MATERIALIZED VIEW v AS {query} WITH NO DATA")
            if not self.attempt("REFRESH MATERIALIZED VIEW v"):
                self.counts["views"] += 1
                self.follow(query)
        finally:
            if not self.session.connection.closed:
                self.session.execute("DROP MATERIALIZED VIEW IF EXISTS v")

    def follow(self, query):
        """Refreshes the view, before and after changes."""
        self.counts["with rows"] += bool(self.session.execute("SELECT 1 FROM v LIMIT 1"))
        refused = self.attempt("SELECT * FROM refresh_mv.track('v')", "30s")
        self.counts[f"refused: {refused}" if refused else "tracked"] += 1
        if refused and refused != "0A000":
            raise Failure(f"track() failed with SQLSTATE {refused}")
        self.execute(f"SET refresh_mv.exact_cost_limit = {self.dice.choice(['1', '1e9', '1e9'])}")
        for function in ("_smart(", "_smart(", "_smart(", "(false, "):
            self.look()
            if not self.refresh(f"SELECT * FROM refresh_materialized_views{function}views => '{{v}}')"):
                return
            self.compare(query)
            self.change()

    def look(self):
        """Asks what would be done, and whether the view is right; neither may fail where REFRESH does not."""
        for sql in ("SELECT * FROM refresh_mv.explain('v', true)", "SELECT verdict FROM refresh_mv.verify('v')"):
            state = self.attempt(sql, "30s")
            if state and not self.fails():
                raise Failure(f"SQLSTATE {state}")

    def fails(self):
        """Whether REFRESH fails now."""
        failed = self.attempt("BEGIN; REFRESH MATERIALIZED VIEW v; ROLLBACK", "30s") is not None
        self.counts["failed as REFRESH"] += failed
        return failed

    def refresh(self, sql):
        """Refreshes the view; returns whether that was done. It may not be where REFRESH fails."""
        (success, *_, message), = self.execute(sql)
        if not success:
            if self.fails():
                return False
            raise Failure(message)
        (method, reason), = self.session.execute(
            "SELECT method, reason FROM refresh_mv.history WHERE view = 'public.v' ORDER BY started DESC LIMIT 1")
        self.counts[method] += 1
        self.reasons[method + ": " + re.sub(r"\d+", "N", reason)] += 1
        if INTERNAL.search(reason):
            raise Failure(reason)
        self.log.append(f"-- {method}: {reason}")
        return True

    def contents(self, source):
        """A digest of the rows of a view or query, and how many they are; None if it fails or takes too long."""
        try:
            self.session.execute("SET statement_timeout = '3s'")
            return self.session.execute(f"SELECT md5(string_agg(r, ';' ORDER BY r)), count(*) FROM (SELECT q::text AS r FROM {source} q) d")
        except psycopg2.Error:
            if self.session.connection.closed:
                raise
            return None
        finally:
            self.session.execute("SET statement_timeout = '30s'")

    def compare(self, query):
        """Fails unless the view holds what its query returns, by whatever plan."""
        results = []
        for plan in PLANS:
            self.session.execute("".join(f"SET enable_{way} = off;" for way in plan.split()) or "SELECT")
            results.append(self.contents(f"({query})"))
            self.session.execute("".join(f"RESET enable_{way};" for way in plan.split()) or "SELECT")
        if None in results or results.count(results[0]) < len(results) or "limit" in re.sub("limit 1 offset", "", query):
            self.counts["not compared"] += 1
            return
        self.counts["compared"] += 1
        held = self.contents("v")
        (verdict,), = self.execute("SELECT verdict FROM refresh_mv.verify('v')")
        if held != results[0] and verdict == "ambiguous":  # 2.20 in sum(DISTINCT), where the query takes 2.2
            self.counts["another right answer"] += 1
        elif held != results[0]:
            raise Failure(f"v holds {held} instead of {results[0]}, and is {verdict}")
        elif verdict != "correct":
            raise Failure(f"the view is {verdict}")

    def change(self):
        """Changes some of the tables that the view reads."""
        sources = [name for name, in self.session.execute(
            "SELECT relation::regclass::text FROM refresh_mv.tracked WHERE view = 'v'::regclass")]
        sources = [name for name in sources if name in self.tables] or list(self.tables)
        for table in self.dice.choices(sorted(sources), k=self.dice.randint(1, 3)):
            (few,), = self.session.execute(f"SELECT count(*) < {exact.SIZES[table]} FROM {table}")
            state = self.attempt(exact.Statements(table, self.tables[table], self.dice).any(few))
            if state and state not in EXPECTED:
                raise Failure(f"a change failed with SQLSTATE {state}")


def set_up():
    """Makes both databases; returns the columns of the tables that are written to."""
    before, _ = exact.read_catalogue("^$")
    admin = exact.Session("postgres")
    for database in (DATABASE, GENERATOR):
        admin.execute(f"DROP DATABASE IF EXISTS {database}")
        admin.execute(f"CREATE DATABASE {database}")
        exact.Session(database).execute(before)
    exact.Session(GENERATOR).execute(CATALOG)
    session = exact.Session(DATABASE)
    session.execute("CREATE EXTENSION refresh_mv")
    exact.SIZES.update({table: min(size, 40) for table, size in exact.SIZES.items()})
    columns = {table: session.execute(exact.COLUMNS, [table]) for table in exact.SIZES}
    for table in columns:
        session.execute(exact.Statements(table, columns[table], random.Random(table)).fill())
    session.execute("ANALYZE")
    return columns


def main():
    """Makes queries until there have been enough views."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--views", type=int, default=VIEWS)
    arguments = parser.parse_args()
    if not shutil.which("sqlsmith"):
        print("the program sqlsmith is not there")
        return 77
    smith, seed, failures, start = Smith(set_up()), arguments.seed, 0, time.monotonic()
    while smith.counts["views"] < arguments.views:
        for number, query in enumerate(generated(seed)):
            if smith.counts["views"] >= arguments.views:
                break
            smith.counts["queries"] += 1
            try:
                smith.run(query, random.Random(f"{seed} {number}"))
            except (Failure, psycopg2.Error) as failure:
                failures += 1
                statements = [" ".join(sql.split()) for sql in smith.log]
                print(f"seed {seed}, query {number}: {failure!r}, in the last of", *statements, "", sep="\n", flush=True)
                if smith.session.connection.closed:
                    return 1
        seed += 1
    print(*(f"{number:6} {reason}" for reason, number in smith.reasons.most_common()), sep="\n")
    print(*(f"{what}: {number}" for what, number in sorted(smith.counts.items())), sep=", ")
    print(f"{failures} failures, {time.monotonic() - start:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
