#!/usr/bin/python3
"""Differential fuzzer of views with nodes (src/incremental/nodes.hpp), set operations and grouping sets.

As fuzz.py, but for queries that read subqueries which group, in any place: in FROM, twice as a CTE, beneath windows, in
IN, ALL, EXISTS and comparisons, in HAVING and LIMIT; groups of groups, totals side by side, trees of set operations,
grouping sets, the first groups.  The tables are few and tiny, with NULLs and duplicates; at times one is emptied.
What explain() says will be done is compared with what is done.

nodes_fuzz.py [--seed N] [--schemas N] [--rounds N] [--all]: without arguments it goes on until 70 refreshes by
`delta` have been of views with nodes, by TEST_LONG=1 20,000.
"""
import os
import re
import sys

sys.dont_write_bytecode = True  # nothing is left in this folder

# pylint: disable=wrong-import-position
from fuzz import Scenario, run_seeds, summarize
from runner import Report
from schema import EXTREMES, LABELS, Schema
from script import either
from views import SUMS, Column, Grammar, Rows
from writes import Writes

REFRESHES = 20000 if os.environ.get("TEST_LONG") else 70
NO_LINK = re.compile(r" ON (?!r\d+\.\S+ = r\d)")
SUMMED = {"integer", "smallint", "bigint", "numeric", "numeric(8,2)"}
NODES = """SELECT DISTINCT substring(relname FROM '^group_state_([0-9]+)_[0-9]+$')::oid::regclass::text FROM pg_class
           WHERE relnamespace = 'refresh_mv'::regnamespace AND relkind = 'r' AND relname ~ '^group_state_[0-9]+_[0-9]+$'"""
DELTAS = """SELECT to_regclass(quote_ident(view_schema) || '.' || quote_ident(view_name))::text FROM refresh_mv.journal
            WHERE id > %s AND method = 'delta' AND success"""


class Nested(Grammar):
    """Makes queries with subqueries that group, in any place."""

    # ------------------------------------------------------------------- FROM

    def leaf(self, depth):
        """A relation, a CTE, or a subquery that does more than join."""
        if depth <= 0 or self.chance(0.5):
            return super().leaf(0)
        alias = self.alias()
        query, columns = self.source(depth - 1)
        lateral = "LATERAL " if self.chance(0.05) else ""
        return Rows(f"{lateral}({query}) {alias}", [Column(f"{alias}.{name}", type_) for name, type_ in columns], None)

    def source(self, depth):
        """A query that what reads it cannot see through."""
        kinds = {self.grouped: 10, self.distinct: 1.5, self.set_operation: 2, self.grouping_sets: 1.5, self.limited: 0.5,
                 self.distinct_on: 0.5, self.plain: 1, self.windowed: 0.5}
        return self.dice.choices([*kinds], [*kinds.values()])[0](depth)

    def rows(self, depth, number=None):
        """Joined relations; few, since they are nested."""
        return super().rows(depth, number or self.one(1, 1, 1, 2, 2, 3))

    # -------------------------------------------------------------- aggregates

    def bare_aggregate(self, columns):
        """One that can be added and subtracted, mostly."""
        if self.chance(0.12):
            return super().bare_aggregate(columns)
        label, summed, extreme = self.label(columns), self.of(columns, SUMMED), self.of(columns, EXTREMES)
        choices = [("count(*)", "bigint"), (f"count({label.sql})", "bigint"), (f"count(DISTINCT {label.sql})", "bigint")]
        if summed:
            choices += [(f"sum({summed.sql})", SUMS[summed.type])] * 3
        if extreme:
            choices += [(f"{self.one('min', 'max')}({extreme.sql})", extreme.type)] * 3
        return self.dice.choice(choices)

    # -------------------------------------------------------------- conditions

    def condition(self, columns, depth=0, outer=()):
        """Subqueries more often."""
        if depth > 0 and self.chance(0.35):
            return self.subquery_condition(columns, depth)
        return super().condition(columns, 0, outer)

    def subquery_condition(self, columns, depth):
        """A condition with a subquery that mentions nothing around it, mostly."""
        if self.chance(0.2):
            return super().subquery_condition(columns, depth)
        if self.chance(0.2):
            some = self.beside(columns)
            return self.one(f"EXISTS (SELECT {some})", f"NOT EXISTS (SELECT {some})", f"(SELECT count(*) {some}) > {self.one(0, 1)}")
        left = self.of(columns, EXTREMES) or Column("1", "integer")
        kind = self.dice.random()
        if kind < 0.4:
            return f"{left.sql} {self.one('=', '<', '>=', '<>', 'IS DISTINCT FROM')} {self.total(depth - 1, left.type)}"
        if kind < 0.5:
            rows = self.rows(depth - 1, 1)
            return (f"{self.one('', 'NOT ')}EXISTS (SELECT FROM {rows.sql}{self.where(rows.columns, 0)}"
                    f" GROUP BY {self.label(rows.columns).sql}{self.always_having(rows.columns)})".replace("GROUP BY 1 ", ""))
        if kind < 0.6:
            wide, links = self.pairs(depth - 1, columns)
            return f"({links}) {self.one('IN', 'IN', 'NOT IN')} ({wide})"
        a_set = self.set_of(depth - 1, left.type)
        return self.one(f"{left.sql} IN ({a_set})", f"{left.sql} IN ({a_set})", f"{left.sql} NOT IN ({a_set})",
                        f"{left.sql} {self.one('<', '>=', '=')} ANY ({a_set})", f"{left.sql} {self.one('<', '>=', '<>')} ALL ({a_set})",
                        f"({left.sql} IN ({a_set})) IS NOT {self.one('TRUE', 'FALSE')}", f"({left.sql} IN ({a_set}) OR {left.sql} IS NULL)")

    def beside(self, columns):
        """FROM and WHERE of a subquery that joins some relations, of which one is linked with what is around it."""
        rows = super().leaf(0)
        inner, link = self.join_columns(rows.columns, columns)
        where = f"{inner.sql} {self.one('=', '=', '=', 'IS NOT DISTINCT FROM')} {link.sql}"
        for _ in range(self.one(1, 1, 2)):
            right = super().leaf(0)
            a, b = self.join_columns(rows.columns, right.columns)
            on = f"{a.sql} = {b.sql}"
            if self.chance(0.5):
                on += either(f" AND {super().condition(right.columns, 0, columns)}")
            rows = Rows(rows.sql + f" {self.one('JOIN', 'LEFT JOIN')} {right.sql} ON {on}", rows.columns + right.columns, None)
        for _ in range(self.one(0, 1, 1)):
            where += either(f" AND {super().condition(rows.columns, 0, columns)}")
        return f"FROM {rows.sql} WHERE {where}"

    def always_having(self, columns):
        """HAVING, in any case."""
        label = self.label(columns)
        return " HAVING " + self.one("count(*) > 1", f"count(DISTINCT {label.sql}) < 3", f"max({label.sql}) IS NULL"
                                     if label.type in EXTREMES else "count(*) < 4", "count(*) % 2 = 0")

    def total(self, depth, type_):
        """A subquery for one value of a type."""
        rows = self.rows(depth)
        value = self.typed(rows.columns, type_)
        call = f"{self.one('min', 'max')}({value})"
        if type_ == "integer":
            call = self.one(call, call, f"count({value})", "count(*)", f"sum({value})")
        return f"(SELECT {call} FROM {rows.sql}{self.where(rows.columns, depth)})"

    def set_of(self, depth, type_):
        """A query for values of a type."""
        if self.chance(0.15):
            return self.operands(depth, [type_], 1)
        rows = self.rows(depth)
        value = self.typed(rows.columns, type_)
        where = self.where(rows.columns, depth)
        key = self.label(rows.columns).sql
        if self.chance(0.35) or key == "1":
            return f"SELECT {value} FROM {rows.sql}{where}"
        if self.chance(0.5):
            return f"SELECT {self.one('min', 'max')}({value}) FROM {rows.sql}{where} GROUP BY {key}{self.having(rows.columns, depth)}"
        return f"SELECT {self.one('DISTINCT ', '')}{value} FROM {rows.sql}{where}"

    def pairs(self, depth, columns):
        """A query for rows of two values, and what to compare with them."""
        rows = self.rows(depth, self.one(1, 1, 2))
        a, key = self.join_columns(columns, rows.columns)
        b, extreme = self.join_columns(columns, rows.columns)
        grouped = extreme.type in EXTREMES and key.sql.startswith("r") and self.chance(0.7)
        text = (f"SELECT {key.sql}, max({extreme.sql}) FROM {rows.sql}{self.where(rows.columns, 0)} GROUP BY {key.sql}" if grouped
                else f"SELECT {key.sql}, {extreme.sql} FROM {rows.sql}{self.where(rows.columns, depth)}")
        return text, f"{a.sql}, {b.sql}"

    def having(self, columns, depth):
        """Groups compared with a total more often."""
        if depth <= 0 or self.chance(0.7):
            return super().having(columns, 0)
        label, extreme = self.label(columns), self.of(columns, EXTREMES)
        rows = self.rows(depth - 1, 1)
        choices = [f"count(*) {self.one('>', '<=', '<>')} (SELECT count(*) / 3 FROM {rows.sql})",
                   f"count({label.sql}) IN (SELECT count(*) FROM {rows.sql} GROUP BY {self.label(rows.columns).sql})"]
        if extreme:
            choices += [f"max({extreme.sql}) {self.one('<', '>=', '=')} {self.total(depth - 1, extreme.type)}",
                        f"min({extreme.sql}) {self.one('NOT IN', 'IN')} ({self.set_of(depth - 1, extreme.type)})"]
        return either(f" HAVING {self.dice.choice(choices)}").replace("GROUP BY 1)", "GROUP BY 1 + 0)")

    # ----------------------------------------------------------------- queries

    def query(self, depth, top=False):
        """A query of any kind."""
        kinds = {self.plain: 6, self.grouped: 6, self.windowed: 2, self.with_ctes: 4 if top else 0, self.side_by_side: 1.5,
                 self.set_operation: 2.5, self.grouping_sets: 2, self.distinct: 1, self.limited: 1, self.distinct_on: 0.5,
                 self.in_order: 0.5, self.looked_up: 1.5}
        return self.dice.choices([*kinds], [*kinds.values()])[0](depth)

    def plain(self, depth):
        """Rows, with a subquery for a value among the columns now and then."""
        rows = self.rows(depth)
        outputs = self.outputs(rows.columns)
        if rows.total and self.chance(0.5):
            outputs += [Column(sql, column.type) for sql in rows.total for column in rows.columns if column.sql == sql]
        if depth > 0 and self.chance(0.25):
            type_ = self.dice.choice(sorted(EXTREMES))
            value = self.total(depth - 1, type_) if type_ != "integer" else self.total(depth - 1, "text")
            outputs.append(Column(value, type_ if type_ != "integer" else "text"))
        if depth > 0 and self.chance(0.15):
            outputs.append(Column(f"(SELECT count(*) {self.beside(rows.columns)})", "bigint"))
        if depth > 0 and self.chance(0.15):
            outputs.append(Column(f"({self.subquery_condition(rows.columns, depth)})", "boolean"))
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)}")

    def looked_up(self, depth):
        """Rows, with a value of the groups of a subquery that suits each."""
        rows = self.rows(depth, self.one(1, 1, 2))
        alias = self.alias()
        query, names = self.grouped(depth - 1)
        columns = [Column(f"{alias}.{name}", type_) for name, type_ in names]
        inner, link = self.join_columns(columns, rows.columns)
        value = self.aggregate(columns)
        outputs = [*self.outputs(rows.columns, labels=True),
                   Column(f"(SELECT {value.sql} FROM ({query}) {alias} WHERE {inner.sql} = {link.sql})", value.type)]
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)}")

    def side_by_side(self, depth):
        """Totals beside each other."""
        rows = self.named(self.single(depth - 1))
        for _ in range(self.one(1, 1, 2)):
            right = self.named(self.single(depth - 1) if self.chance(0.7) else self.grouped(depth - 1))
            join = self.one(f", {right.sql}", f" CROSS JOIN {right.sql}", f" LEFT JOIN {right.sql} ON {self.condition(rows.columns + right.columns)}")
            rows = Rows(rows.sql + join, rows.columns + right.columns, None)
        return self.select(self.outputs(rows.columns), f" FROM {rows.sql}{self.where(rows.columns, depth)}")

    def single(self, depth):
        """Aggregates of all rows."""
        rows = self.rows(depth)
        return self.select([self.aggregate(rows.columns, depth) for _ in range(self.one(1, 2))],
                           f" FROM {rows.sql}{self.where(rows.columns, depth)}")

    def named(self, query):
        """A query in FROM."""
        alias = self.alias()
        return Rows(f"({query[0]}) {alias}", [Column(f"{alias}.{name}", type_) for name, type_ in query[1]], None)

    def windowed(self, depth):
        """Windows over all rows, too, where those that are equal do not matter."""
        if self.chance(0.4):
            return super().windowed(depth)
        rows = self.rows(max(depth, 1))
        orders = [self.label(rows.columns) for _ in range(self.one(1, 2))]
        order = ", ".join(f"{column.sql}{self.one('', ' DESC')}" for column in orders if column.sql != "1") or "(1)"
        calls = [("rank()", "bigint"), ("dense_rank()", "bigint"), ("count(*)", "bigint"), ("cume_dist()", "double precision")]
        call, type_ = self.dice.choice(calls)
        outputs = [*orders, *self.outputs(rows.columns), Column(f"{call} OVER (ORDER BY {order})", type_)]
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)}")

    def in_order(self, depth):
        """An aggregate that goes by the order of a subquery."""
        query, names = self.one(self.grouping_sets, self.grouped, self.set_operation, self.distinct)(depth - 1)
        if any(type_ not in LABELS for _, type_ in names) or " ORDER BY " in query:
            return self.grouped(depth)
        alias = self.alias()
        order = ", ".join(str(i + 1) for i in range(len(names)))
        return f"SELECT array_agg({alias}.{names[0][0]}::text) AS c0 FROM ({query} ORDER BY {order}) {alias}", [("c0", "text[]")]

    def grouping_sets(self, depth):
        """ROLLUP, CUBE, GROUPING SETS, of expressions, too."""
        rows = self.rows(depth, self.one(1, 1, 2))
        a, b = self.expression(rows.columns, labels=True), self.label(rows.columns)
        if a.sql == b.sql or "1" in (a.sql, b.sql):
            return self.grouped(depth)
        sets = self.one(f"ROLLUP ({a.sql}, {b.sql})", f"CUBE ({a.sql}, {b.sql})", f"GROUPING SETS (({a.sql}), ({b.sql}), ())",
                        f"{a.sql}, ROLLUP ({b.sql})", f"GROUPING SETS (({a.sql}, {b.sql}), ({a.sql}), ({a.sql}))",
                        f"GROUPING SETS (({a.sql}), ())", f"DISTINCT ROLLUP ({a.sql}), CUBE ({a.sql}, {b.sql})")
        if f", {b.sql}" not in sets and f"({b.sql}" not in sets:
            b = a
        outputs = [a, Column(f"coalesce({b.sql}, {self.literal(b.type)})", b.type), self.aggregate(rows.columns),
                   Column(f"grouping({a.sql}, {b.sql})", "integer")]
        having = self.one("", "", f" HAVING grouping({a.sql}) = 0", " HAVING count(*) > 1",
                          f" HAVING {a.sql} IS NULL OR count(*) <> 2",
                          f" HAVING count(*) > (SELECT count(*) / 4 FROM {self.leaf(0).sql})" if depth > 0 else "")
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)} GROUP BY {sets}{either(having)}", needed=4)

    # ----------------------------------------------------------- set operations

    def set_operation(self, depth):
        """A tree of them; sorted and limited now and then."""
        types = self.dice.choices(sorted(LABELS & {"integer", "text", "bigint", "date", "smallint", "boolean"}), k=self.one(1, 2, 2, 3))
        text = self.operands(depth, types, self.one(1, 1, 2, 2, 3))
        names = [(f"c{i}", type_) for i, type_ in enumerate(types)]
        if self.chance(0.15):
            text += either(f" ORDER BY {', '.join(str(i + 1) for i in range(len(types)))} LIMIT {self.one(1, 3)}")
        return text, names

    def operands(self, depth, types, height):
        """An operation, or what it may be made of."""
        if height == 0 or self.chance(0.1):
            rows = self.rows(depth, self.one(1, 1, 2))
            outputs = [Column(self.typed(rows.columns, type_), type_) for type_ in types]
            return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)}", needed=len(types))[0]
        operator = self.one("UNION ALL", "UNION ALL", "UNION", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL")
        left, right = (self.operands(depth, types, height - self.one(1, 1, 2) if height > 1 else 0) for _ in range(2))
        return f"({left}) {operator} ({right})"

    def with_ctes(self, depth):
        """One that is recursive, too."""
        text, names = super().with_ctes(max(depth, 1))
        if self.chance(0.06) and not text.startswith("WITH RECURSIVE"):
            text = text.replace("WITH ", "WITH RECURSIVE n (c0) AS (SELECT 1 UNION ALL SELECT n.c0 + 1 FROM n WHERE n.c0 < 4), ", 1)
        return text, names


class Few(Schema):
    """Few tables."""

    def setup(self):
        """All statements."""
        yield "CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad')"
        yield "CREATE DOMAIN positive AS integer CHECK (value > 0)"
        yield "CREATE FUNCTION twist(integer) RETURNS integer IMMUTABLE LANGUAGE sql RETURN ($1 * 3) % 5"
        for i in range(self.dice.choice([2, 3, 3, 4])):
            yield from self.table(f"t{i}")


class Nodes(Scenario):
    """Tiny tables, and views with nodes."""

    def __init__(self, seed, rounds, report):
        super().__init__(seed, rounds, report)
        self.recent = self.zones = False

    def set_up(self):
        """Makes tables and views."""
        for session in (0, 1):
            self.alone("SET refresh_mv.exact_cost_limit = 1e9", kind="setup", session=session)
        for sql in Few(self.dice).setup():
            self.alone(sql, kind="setup")
        writes = Writes(self.dice, self.relations(), False)
        for table in writes.tables:
            self.fill(writes, table, self.dice.choice([0, 4, 8, 15]))
        self.alone("ANALYZE", kind="setup")
        for _ in range(self.dice.choice([0, 1, 1])):
            self.create_view("v")
        for _ in range(self.dice.randint(7, 10)):
            self.create_view("m")
        self.smart("function")

    def fill(self, writes, table, number):
        """Adds rows."""
        sql, rows = writes.fill(table, number)
        if rows:
            self.alone(sql, rows=rows)

    def readable(self):
        """Relations for new views; tables are more likely."""
        weights = {"r": 8, "p": 8, "v": 2, "m": 1}
        return [relation for relation in self.relations().values() if relation.columns and not relation.partition
                for _ in range(weights[relation.kind])]

    def create_view(self, prefix):
        """Makes a random view that PostgreSQL accepts and that is not too large; tracks it if it is materialized."""
        for _ in range(30):
            grammar = Nested(self.dice, self.readable())
            query, _ = grammar.query(self.dice.choice([1, 2, 2, 3]), top=True)
            # PostgreSQL takes some full joins without a common column, or not, as its planner sees them.
            if len(query) < 4000 and not ("FULL JOIN" in query and NO_LINK.search(query)) and self.suits(query):
                break
        else:
            return
        self.counter[prefix] += 1
        name = f"{prefix}{self.counter[prefix]}"
        if prefix == "v":
            barrier = " WITH (security_barrier)" if self.chance(0.2) else ""
            self.alone(f"CREATE VIEW {name}{barrier} AS {query}", kind="view")
            return
        self.report.views += 1
        self.alone(f"CREATE MATERIALIZED VIEW {name} AS {query}", kind="view")
        error = self.step(f"SELECT refresh_mv.track('{name}')", kind="view")
        if error:
            self.report.untracked[error[1].partition("HINT")[0].partition("DETAIL")[2][:150]] += 1

    # ------------------------------------------------------------------ rounds

    def write(self):
        """Changes of some tables."""
        writes = Writes(self.dice, self.relations(), False)
        for table in writes.tables:
            if self.chance(0.35):
                continue
            if self.chance(0.06):
                self.alone(f"DELETE FROM {table.name}")
            elif self.chance(0.15):
                self.fill(writes, table, self.dice.choice([1, 2, 6]))
            for _ in range(self.one(1, 1, 2, 3)):
                self.alone(self.dice.choice([writes.update, writes.update, writes.delete, writes.insert])(table))

    def one(self, *choices):
        """One of these."""
        return self.dice.choice(choices)

    def round(self):
        """Changes, and a refresh of all views, or of one after the other."""
        for _ in range(self.one(1, 1, 1, 2)):
            self.transaction() if self.chance(0.15) else self.write()
        kind = self.dice.random()
        if kind < 0.05:
            self.ddl()
        elif kind < 0.12:
            self.views_ddl()
        elif kind < 0.17:
            self.alone("ANALYZE")
        if self.chance(0.25):
            self.foreseen()
        else:
            self.smart(self.one("function", "function", "procedure"))
        self.replace_views()

    def foreseen(self):
        """Each view is refreshed as explain() has said."""
        for view in sorted(self.runner.existing()):
            if self.alone(f"SELECT method, chosen, reason FROM refresh_mv.explain('{view}', verbose => true)"):
                continue
            rows = self.runner.main.rows
            said = [method for method, chosen, _ in rows if chosen]
            self.refresh("smart", [view])
            done, = self.runner.main.execute("SELECT method FROM refresh_mv.journal ORDER BY id DESC LIMIT 1")[0]
            self.report.foreseen[said == [done]] += 1
            if said != [done]:
                print(f"{view}: explain() says {said}, but {done} was done: {rows}\n{self.runner.query(view)}", flush=True)

    def refresh(self, mode, views, how="function"):
        """Counts those by nodes as well."""
        main = self.runner.main
        last = main.execute("SELECT coalesce(max(id), 0) FROM refresh_mv.journal")[0][0]
        super().refresh(mode, views, how)
        with_nodes = {view for view, in main.execute(NODES)}
        self.report.by_nodes += sum(view in with_nodes for view, in main.execute(DELTAS, [last]))


class NodesReport(Report):
    """Counts refreshes of views with nodes as well, and what explain() has foreseen."""

    def __init__(self):
        super().__init__()
        self.by_nodes = 0
        self.foreseen = type(self.reasons)()


def main():
    """Runs seeds until there were enough refreshes by nodes."""
    report = NodesReport()
    right, asked, seconds = run_seeds(__doc__, report, lambda: report.by_nodes >= REFRESHES, 8, Nodes)
    summarize(report, seconds)
    print(f"by nodes: {report.by_nodes} of {report.refreshes}; foreseen by explain(): {dict(report.foreseen)}")
    enough = 10 * report.by_nodes >= report.refreshes or asked
    return 0 if right and enough else 1


if __name__ == "__main__":
    sys.exit(main())
