#!/usr/bin/python3
"""Differential fuzzer of changes that are taken by signed terms (src/incremental/signed_terms.hpp).

As fuzz.py, but for views whose joined rows are additive in what changes: joins, self joins,
UNION ALL within UNION ALL, ordinary views, subqueries and lateral ones that only join, whole
rows, materialized views with duplicates; one table more is on nullable sides and in conditions,
and changes seldom.  The tables are few and tiny, and each of them changes before each refresh.

terms_fuzz.py [--seed N] [--schemas N] [--rounds N] [--all]: without arguments it goes on until
300 refreshes by `delta` or `keys` have been by terms, by TEST_LONG=1 20,000.
"""
import os
import re
import sys

sys.dont_write_bytecode = True  # nothing is left in this folder

# pylint: disable=wrong-import-position
from fuzz import Scenario, run_seeds, summarize
from runner import Report
from schema import Schema
from script import either
from views import Column, Grammar, Rows
from writes import Writes

REFRESHES = 20000 if os.environ.get("TEST_LONG") else 300
MOST_CHANGED = 4    # instances of tables that change


def aliases(columns):
    """The relations and subqueries that columns are of."""
    return sorted({found[0] for found in (re.match(r"r\d+(?=\.)", column.sql) for column in columns) if found})


class Additive(Grammar):
    """Makes queries that are additive in all tables but the steady ones."""

    def __init__(self, dice, relations, steady, instances):
        super().__init__(dice, relations)
        self.steady, self.known = steady, instances
        self.instances = 0      # of tables that change, so far

    # ------------------------------------------------------------------- FROM

    def leaf(self, depth):
        """A relation, or something that joins some."""
        alias = self.alias()
        kind = self.dice.random() if depth > 0 else 1
        if kind < 0.14:
            return self.named(self.plain(depth - 1), alias)
        if kind < 0.34:
            return self.named(self.union(depth - 1), alias)
        if kind < 0.38:
            values = ", ".join(f"({self.literal('integer')}, {self.one('NULL', self.literal('text'))})" for _ in range(3))
            return self.named((f"VALUES {values}", [("c0", "integer"), ("c1", "text")]), alias, "(c0, c1)")
        if kind < 0.4:
            return Rows(f"generate_series(0, {self.one(2, 4)}) {alias}(c0)", [Column(f"{alias}.c0", "integer")], None)
        return self.relation(self.dice.choice(self.relations), alias)

    def relation(self, relation, alias):
        """A relation itself."""
        self.instances += self.known.get(relation.name, 1)
        total = [f"{alias}.{column.name}" for column in relation.key] or None
        only = "ONLY " if relation.kind == "r" and self.chance(0.04) else ""
        columns = [Column(f"{alias}.{column.name}", column.type) for column in relation.columns]
        if self.chance(0.12):
            columns.append(Column(f"({alias}.*)::text", "text"))
        return Rows(f"{only}{relation.name} {alias}", columns, total)

    def named(self, query, alias, names=""):
        """A query in FROM."""
        text, columns = query
        columns = [Column(f"{alias}.{name}", type_) for name, type_ in columns]
        if self.chance(0.15):
            columns.append(Column(f"row_to_json({alias})::text", "text"))
        return Rows(f"({text}) {alias}{names}", columns, None)

    def from_steady(self):
        """A relation that changes seldom."""
        relation = self.dice.choice(self.steady)
        alias = self.alias()
        columns = [Column(f"{alias}.{column.name}", column.type) for column in relation.columns]
        return Rows(f"{relation.name} {alias}", columns, None)

    def tree(self, number, depth):
        """Inner joins, of which some rows are joined with steady ones by an outer one."""
        rows = self.leaf(depth)
        for _ in range(number - 1):
            if self.instances >= MOST_CHANGED:
                break
            if depth > 0 and self.chance(0.12):
                rows = self.beside(rows, depth)
                continue
            right = self.leaf(depth)
            columns = rows.columns + right.columns
            a, b = self.join_columns(rows.columns, right.columns)
            on = f"{a.sql} = {b.sql}"
            if self.chance(0.25):
                on += either(f" AND {self.condition(columns, depth - 1)}")
            total = rows.total + right.total if rows.total is not None and right.total is not None else None
            rows = Rows(rows.sql + either(f" JOIN {right.sql} ON {on}"), columns, total)
        if self.chance(0.2):
            right = self.from_steady()
            a, b = self.join_columns(rows.columns, right.columns)
            joined = either(f" LEFT JOIN {right.sql} ON {a.sql} = {b.sql}")
            rows = Rows(rows.sql + joined, rows.columns + right.columns, None)
        return rows

    def beside(self, rows, depth):
        """Rows with a lateral subquery that only joins."""
        alias = self.alias()
        inner = self.leaf(depth - 1)
        value = self.label(inner.columns)
        link = self.of(rows.columns, {value.type}) or value
        outputs = [self.label(inner.columns), self.expression([*inner.columns, *rows.columns], labels=True)]
        listed = ", ".join(f"{column.sql} AS c{i}" for i, column in enumerate(outputs))
        text = (f"{rows.sql} CROSS JOIN LATERAL (SELECT {listed} FROM {inner.sql}"
                f" WHERE {value.sql} {self.one('=', '=', '<>')} {link.sql}) {alias}")
        columns = [Column(f"{alias}.c{i}", column.type) for i, column in enumerate(outputs)]
        return Rows(text, [*rows.columns, *columns], None)

    def union(self, depth):
        """UNION ALL."""
        arms = [self.arm(depth) for _ in range(self.one(2, 2, 3))]
        types = [column.type for column in self.outputs(arms[0].columns, labels=True)]
        text, names = "", []
        for i, rows in enumerate(arms):
            outputs = [Column(self.typed(rows.columns, type_), type_) for type_ in types]
            sql, columns = self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)}", needed=len(types))
            names = names or columns
            text += f" UNION ALL {sql}" if i else sql
        return text, names

    def arm(self, depth):
        """The rows of an arm, which may be a UNION ALL itself."""
        if self.instances >= MOST_CHANGED:
            return self.from_steady()
        if depth > 0 and self.chance(0.2):
            return self.named(self.union(depth - 1), self.alias())
        return self.rows(depth, self.one(1, 1, 2))

    # -------------------------------------------------------------- conditions

    def subquery_condition(self, columns, depth):
        """A condition with a subquery over a steady table."""
        rows = self.from_steady()
        inner, link = self.join_columns(rows.columns, columns)
        some = f"FROM {rows.sql} WHERE {inner.sql} = {link.sql}"
        a_set = f"(SELECT {inner.sql} FROM {rows.sql})"
        return self.one(f"EXISTS (SELECT {some})", f"NOT EXISTS (SELECT {some})",
                        f"(SELECT count(*) {some}) > {self.one(0, 1)}", f"{link.sql} IN {a_set}", f"{link.sql} NOT IN {a_set}")

    def having(self, columns, depth):
        """No subquery in HAVING."""
        return super().having(columns, 0)

    # ----------------------------------------------------------------- queries

    def query(self, depth, top=False):
        """A query whose joined rows are additive, whatever it does to them."""
        kinds = {self.plain: 5, self.grouped: 12, self.distinct: 1.5, self.windowed: 1.5, self.distinct_on: 0.7,
                 self.united: 2, self.with_unread: 0.7}
        return self.dice.choices([*kinds], [*kinds.values()])[0](depth)

    def plain(self, depth):
        """Rows, with a subquery over a steady table among the columns now and then."""
        rows = self.rows(depth)
        outputs = self.outputs(rows.columns, labels=True)
        if self.chance(0.1):
            inner = self.from_steady()
            a, b = self.join_columns(inner.columns, rows.columns)
            outputs.append(Column(f"(SELECT count(*) FROM {inner.sql} WHERE {a.sql} = {b.sql})", "bigint"))
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)}")

    def united(self, depth):
        """UNION ALL at the top, or groups of one."""
        if self.chance(0.4):
            return self.union(depth)
        rows = self.named(self.union(depth), self.alias())
        keys = [self.label(rows.columns)]
        if keys[0].sql == "1":
            return self.union(depth)
        return self.select([*keys, *(self.aggregate(rows.columns) for _ in range(3))],
                           f" FROM {rows.sql} GROUP BY 1{self.having(rows.columns, 0)}", needed=1)

    def with_unread(self, depth):
        """A query with a CTE that nothing refers to."""
        unread = self.dice.choice(self.relations)
        text, columns = self.query(depth)
        return text if text.startswith("WITH") else f"WITH unread AS (SELECT * FROM {unread.name}) {text}", columns

    def bare_aggregate(self, columns):
        """Whole rows are counted, too."""
        rows = aliases(columns)
        if rows and self.chance(0.08):
            return self.one(f"count({self.dice.choice(rows)})", f"count({self.dice.choice(rows)}.*)"), "bigint"
        return super().bare_aggregate(columns)

    def condition(self, columns, depth=0, outer=()):
        """Tests of whole rows, too."""
        rows = aliases(columns)
        if rows and self.chance(0.04):
            row = self.dice.choice(rows)
            return self.one(f"{row} IS NOT NULL", f"{row} IS NULL", f"({row} IS NULL) IS NOT TRUE")
        return super().condition(columns, depth, outer)


class Small(Schema):
    """Few tables."""

    def setup(self):
        """All statements; the last table is steady."""
        yield "CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad')"
        yield "CREATE DOMAIN positive AS integer CHECK (value > 0)"
        yield "CREATE FUNCTION twist(integer) RETURNS integer IMMUTABLE LANGUAGE sql RETURN ($1 * 3) % 5"
        number = self.dice.choice([1, 2, 2, 3])
        for i in range(number):
            yield from self.table(f"t{i}")
            if self.dice.random() < 0.3:
                yield f"ALTER TABLE t{i} ADD COLUMN gone integer, ADD COLUMN young integer DEFAULT 1"
                yield f"ALTER TABLE t{i} DROP COLUMN gone"
        self.parents = []   # nothing cascades there
        yield from self.table("steady")


class Terms(Scenario):
    """Tables that change before each refresh, and views that are additive in them."""

    def __init__(self, seed, rounds, report):
        super().__init__(seed, rounds, report)
        self.recent = self.zones = False
        self.instances = {}     # of tables that change, in each relation

    def set_up(self):
        """Makes tables and views."""
        self.alone("SET refresh_mv.exact_cost_limit = 1e9", kind="setup")
        for sql in Small(self.dice).setup():
            self.alone(sql, kind="setup")
        self.write(rows=self.dice.choice([3, 8, 15]), steady=True)
        self.alone("ANALYZE", kind="setup")
        for _ in range(self.dice.choice([0, 1, 2])):
            self.create_view("v")
        for _ in range(self.dice.randint(8, 12)):
            self.create_view("m")
        self.smart("function")

    def write(self, rows=0, steady=False):
        """Changes of all tables but the steady one."""
        writes = Writes(self.dice, self.relations(), False)
        for table in writes.tables:
            if table.name == "steady" and not steady:
                continue
            sql, given = writes.fill(table, rows or self.dice.choice([1, 2, 4]))
            if rows or self.chance(0.5):
                self.alone(sql, rows=given)
            for _ in range(0 if rows else self.dice.choice([1, 1, 2, 3])):
                self.alone(self.dice.choice([writes.update, writes.update, writes.delete, writes.insert])(table))

    def create_view(self, prefix):
        """Makes a random view that PostgreSQL accepts and that is not too large; tracks it if it is materialized."""
        for _ in range(30):
            relations = self.relations()
            steady = relations.pop("steady")
            weights = {"r": 8, "p": 8, "v": 3, "m": 2}
            changing = [relation for relation in relations.values() if relation.columns and not relation.partition
                        for _ in range(weights[relation.kind])]
            grammar = Additive(self.dice, changing, [steady], self.instances)
            depth = self.dice.choice([0, 1, 1, 2])
            query, _ = grammar.plain(depth // 2) if prefix == "v" else grammar.query(depth, top=True)
            if 0 < grammar.instances <= MOST_CHANGED and self.suits(query):
                break
        else:
            return
        self.counter[prefix] += 1
        name = f"{prefix}{self.counter[prefix]}"
        self.instances[name] = grammar.instances if prefix == "v" else 1
        if prefix == "v":
            self.alone(f"CREATE VIEW {name} AS {query}", kind="view")
            return
        self.report.views += 1
        self.alone(f"CREATE MATERIALIZED VIEW {name} AS {query}", kind="view")
        error = self.step(f"SELECT refresh_mv.track('{name}')", kind="view")
        if error:
            self.report.untracked[error[1].partition("HINT")[0].partition("DETAIL")[2][:150]] += 1

    def round(self):
        """Changes, and a refresh of all views."""
        steady = self.chance(0.1)
        self.write(steady=steady)
        views = sorted(self.runner.existing())
        if self.chance(0.3) and views:
            self.alone(f"SELECT count(*) FROM refresh_mv.explain('{self.dice.choice(views)}', verbose => true)")
        before = self.exact()
        self.refresh("smart", views)
        if not steady:
            self.report.by_terms += self.exact() - before

    def exact(self):
        """How many refreshes were by delta or keys so far."""
        return sum(self.report.methods["smart", method] for method in ("delta", "keys"))


class TermsReport(Report):
    """Counts refreshes by terms as well."""

    by_terms = 0


def main():
    """Runs seeds until there were enough refreshes by terms."""
    report = TermsReport()
    right, asked, seconds = run_seeds(__doc__, report, lambda: report.by_terms >= REFRESHES, 10, Terms)
    enough = summarize(report, seconds) or asked
    print(f"by terms: {report.by_terms}")
    return 0 if right and enough else 1


if __name__ == "__main__":
    sys.exit(main())
