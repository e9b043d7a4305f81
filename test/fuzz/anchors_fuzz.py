#!/usr/bin/python3
"""Differential fuzzer of changes that are followed by anchors (src/incremental/anchor.hpp), in bulk.

As fuzz.py, but for views that compare several subqueries with several columns of what is around them: lateral ones with
LIMIT, aggregates or windows, EXISTS and IN of joins and outer joins, negated and nested, groups that are joined, scalar ones.
The tables have hundreds of rows, keys of one column or two, links with NULLs and duplicates, of several types; each statement
changes one row, some, many or all. So parts are found by one anchor and by others, and of many parts those are left out that
changed rows rule out.

anchors_fuzz.py [--seed N] [--schemas N] [--rounds N] [--all]: without arguments it goes on until 40 refreshes were by `delta`
or `keys`, by TEST_LONG=1 20,000. It fails if these are under half of those of changed views.
"""
import collections
import os
import sys

sys.dont_write_bytecode = True  # nothing is left in this folder

# pylint: disable=wrong-import-position
from fuzz import Scenario, run_seeds, summarize
from runner import Report
from script import either, plain

REFRESHES = 20000 if os.environ.get("TEST_LONG") else 40
MOVED = 100000  # keys that an UPDATE has moved are beyond this

# A column: kind is what it can be compared with.
Column = collections.namedtuple("Column", "name kind type")
Table = collections.namedtuple("Table", "name key links others span")
# Of an alias: its columns as SQL, by kind, and those that tell its rows apart.
Reference = collections.namedtuple("Reference", "sql columns key")

INTEGERS = ["integer"] * 6 + ["bigint", "smallint"]


class Bulk:
    """Makes tables, and statements that change many rows, the same ones each time they are executed."""

    def __init__(self, dice):
        self.dice = dice

    def chance(self, probability):
        """True so often."""
        return self.dice.random() < probability

    def table(self, name, span):
        """A random table, whose links are to keys below span."""
        dice = self.dice
        kind = dice.choices(["one", "pair", "text", "two"], [10, 3, 2, 1])[0]
        key = {"one": [Column("id", "number", dice.choice(["integer", "integer", "bigint"]))],
               "pair": [Column("id", "number", "integer"), Column("sub", "small", "integer")],
               "text": [Column("id", "text", "text")],
               "two": [Column("id", "number", "integer"), Column("code", "text", "text")]}[kind]
        links = [Column(f"l{i}", "number", dice.choice(INTEGERS)) for i in range(dice.choice([1, 2, 2, 3]))]
        links += [Column("c", "text", "text")] * self.chance(0.6)
        others = [Column("n", "small", "integer"), Column("d", "date", "date"), Column("x", "money", "numeric(8,2)")]
        return Table(name, key, links, others, span)

    def create(self, table):
        """The statements for it."""
        required = {column.name for column in table.links if self.chance(0.25)}
        listed = ", ".join([f"{column.name} {column.type} NOT NULL" for column in table.key]
                           + [f"{column.name} {column.type}{' NOT NULL' if column.name in required else ''}"
                              for column in [*table.links, *table.others]])
        names = ", ".join(column.name for column in table.key)
        yield f"CREATE TABLE {table.name} ({listed}, PRIMARY KEY ({names}))", required
        for column in table.links:
            if self.chance(0.4):
                yield f"CREATE INDEX ON {table.name} ({column.name})", required

    def hash(self, table, alias):
        """A number that goes by a row's key, another one in each statement."""
        key = " || '.' || ".join(f"{alias}.{column.name}" for column in table.key)
        return f"abs(hashtext({key} || '.{self.dice.randrange(1000000)}')::bigint)"

    def value(self, table, column, number):
        """A value, by a number; NULL now and then, if it may be."""
        span, null = table.span, self.dice.choice([5, 9, 30])
        sql = {"number": f"({number} % {span})::{column.type}", "small": f"({number} % 8)::{column.type}",
               "text": f"'c' || {number} % {span}", "date": f"date '2024-01-01' + ({number} % 40)::integer",
               "money": f"({number} % 500 / 4.0)::{column.type}"}[column.kind]
        return sql if column.name in self.required(table) else f"CASE WHEN {number} % {null} > 0 THEN {sql} END"

    def required(self, table):
        """The names of columns that may not be null; by default those of the key."""
        return {column.name for column in table.key} | self.not_null.get(table.name, set())

    not_null = {}

    def many(self):
        """A condition's modulus and remainder: how many rows a statement changes."""
        modulus = self.dice.choice([1, 2, 3, 3, 5, 10, 40, 200])
        return modulus, self.dice.randrange(modulus)

    def insert(self, table, number=None):
        """New rows, of which some may be there already."""
        dice = self.dice
        first = 1 if number else dice.choice([1, 1, table.span // 2, table.span])
        last = number or first + dice.choice([1, 5, 60, 300])
        key = {"id": "'c' || g" if table.key[0].type == "text" else "g"}
        for column in table.key[1:]:
            key[column.name] = f"'c' || g % 7" if column.type == "text" else f"g % {dice.choice([2, 3])}"
        listed = ", ".join(f"{sql} AS {name}" for name, sql in key.items())
        rest = [*table.links, *table.others]
        values = ", ".join(self.value(table, column, self.hash(table, "k")) for column in rest)
        names = ", ".join(column.name for column in [*table.key, *rest])
        keys = ", ".join(column.name for column in table.key)
        changed = dice.choice(rest).name
        conflict = dice.choice(["DO NOTHING", "DO NOTHING", f"DO UPDATE SET {changed} = EXCLUDED.{changed}"])
        modulus, rest_of = (1, 0) if number else self.many()
        return (f"INSERT INTO {table.name} ({names}) SELECT {', '.join('k.' + name for name in key)}, {values}"
                f" FROM (SELECT {listed} FROM generate_series({first}, {last}) g) k"
                f" WHERE {self.hash(table, 'k')} % {modulus} = {rest_of} ON CONFLICT ({keys}) {conflict}")

    def where(self, table):
        """Which rows."""
        modulus, rest = self.many()
        kind = self.dice.random()
        if kind < 0.15:
            return f"t.{self.dice.choice(table.links).name} IS NULL AND {self.hash(table, 't')} % {modulus} = {rest}"
        if kind < 0.3:
            return f"t.n = {self.dice.randrange(8)}"
        if kind < 0.4:
            return f"t.d < date '2024-01-01' + {self.dice.randrange(40)} AND {self.hash(table, 't')} % {modulus} = {rest}"
        return f"{self.hash(table, 't')} % {modulus} = {rest}"

    def update(self, table):
        """Other values."""
        columns = self.dice.sample([*table.links, *table.others], self.dice.choice([1, 1, 2]))
        values = ", ".join(f"{column.name} = {self.value(table, column, self.hash(table, 't'))}" for column in columns)
        return f"UPDATE {table.name} t SET {values} WHERE {self.where(table)}"

    def update_key(self, table):
        """Other keys, and back."""
        if table.key[0].type == "text":
            return f"UPDATE {table.name} t SET id = 'm' || id WHERE left(id, 1) = 'c' AND {self.where(table)}"
        if self.chance(0.4):
            return (f"UPDATE {table.name} t SET id = id - {MOVED} WHERE id > {MOVED} AND {self.where(table)}"
                    f" AND NOT EXISTS (SELECT FROM {table.name} o WHERE o.id = t.id - {MOVED})")
        return (f"UPDATE {table.name} t SET id = id + {MOVED} WHERE id < {MOVED} AND {self.where(table)}"
                f" AND NOT EXISTS (SELECT FROM {table.name} o WHERE o.id = t.id + {MOVED})")

    def delete(self, table):
        """Some rows go, rarely all."""
        return f"DELETE FROM {table.name} t WHERE {'true' if self.chance(0.03) else self.where(table)}"

    def merge(self, table):
        """MERGE, with another table."""
        column = self.dice.choice([*table.links, *table.others])
        same = " AND ".join(f"s.{key.name} = t.{key.name}" for key in table.key)
        return (f"MERGE INTO {table.name} t USING (SELECT * FROM {table.name} t WHERE {self.where(table)}) s ON {same}"
                f" WHEN MATCHED AND s.n % 3 = 0 THEN DELETE"
                f" WHEN MATCHED THEN UPDATE SET {column.name} = {self.value(table, column, self.hash(table, 's'))}")

    def any(self, table):
        """One of all these."""
        return self.dice.choices([self.insert, self.update, self.delete, self.update_key, self.merge], [6, 8, 5, 2, 1])[0](table)


class Anchored:
    """Makes queries over such tables."""

    def __init__(self, dice, tables):
        self.dice, self.tables = dice, tables
        self.aliases = 0

    def chance(self, probability):
        """True so often."""
        return self.dice.random() < probability

    def one(self, *choices):
        """One of these."""
        return self.dice.choice(choices)

    def reference(self, table=None):
        """A table, by a new alias."""
        table = table or self.dice.choice(self.tables)
        self.aliases += 1
        alias = f"r{self.aliases}"
        columns = [Column(f"{alias}.{column.name}", column.kind, column.type)
                   for column in [*table.key, *table.links, *table.others]]
        return Reference(f"{table.name} {alias}", columns, [f"{alias}.{column.name}" for column in table.key])

    def link(self, left, right):
        """An equality of two columns that links are of."""
        kinds = {column.kind for column in left} & {column.kind for column in right} & {"number", "text"}
        kind = "number" if "number" in kinds and (self.chance(0.75) or len(kinds) == 1) else "text"
        a = [column for column in left if column.kind == kind]
        b = [column for column in right if column.kind == kind]
        if not a or not b:
            return f"{left[0].name} IS NOT NULL"
        return f"{self.one(*a).name} = {self.one(*b).name}"

    def condition(self, columns):
        """One on columns alone."""
        column = self.one(*columns)
        day = f"date '2024-01-01' + {self.one(5, 20, 35)}"
        return {"number": self.one(f"{column.name} % 3 = 1", f"{column.name} IS NOT NULL", f"{column.name} < 90",
                                   f"({column.name} > 50) IS NOT TRUE", f"coalesce({column.name}, 7) < 130"),
                "small": self.one(f"{column.name} > 3", f"{column.name} IN (1, 2, 5)", f"{column.name} IS DISTINCT FROM 4",
                                  f"coalesce({column.name}, 9) > 5"),
                "text": self.one(f"{column.name} < 'c3'", f"{column.name} IS NULL", f"right({column.name}, 1) IN ('1', '2', '7')"),
                "date": self.one(f"{column.name} < {day}", f"{column.name} >= {day}", f"({column.name} IS NULL OR {column.name} > {day})"),
                "money": self.one(f"{column.name} > 50", f"{column.name} IS NOT NULL")}[column.kind]

    def below(self, outer, depth):
        """FROM and WHERE of a subquery that is linked with what is around it; what it joins."""
        rows = self.reference()
        where = self.link(rows.columns, outer)
        sql, columns, key = rows.sql, rows.columns, list(rows.key)
        if self.chance(0.4):
            right = self.reference()
            on = self.link(columns, right.columns) + (either(f" AND {self.condition(right.columns)}") if self.chance(0.4) else "")
            sql += f" {self.one('JOIN', 'JOIN', 'LEFT JOIN')} {right.sql} ON {on}"
            columns, key = columns + right.columns, key + right.key
        for _ in range(self.one(0, 1, 1, 2)):
            where += either(f" AND {self.condition(columns)}")
        if self.chance(0.08):
            where += either(f" AND {self.link(columns, outer)}")
        if depth > 0 and self.chance(0.3):
            where += either(f" AND {self.subquery_condition(columns + (outer if self.chance(0.3) else []), depth - 1)}")
        return f"FROM {sql} WHERE {where}", columns, key

    def subquery_condition(self, columns, depth):
        """EXISTS, IN and the like."""
        some, _, _ = self.below(columns, depth)
        kind = self.dice.random()
        if kind < 0.35:
            return f"EXISTS (SELECT {some})"
        if kind < 0.6:
            return f"NOT EXISTS (SELECT {some})"
        if kind < 0.7:
            return f"(SELECT count(*) {some}) {self.one('> 1', '= 0', '% 2 = 0')}"
        inner = self.reference()
        equality = self.link(columns, inner.columns)
        left, _, right = equality.partition(" = ")
        if not right:
            return f"EXISTS (SELECT {some})"
        where = f"{self.condition(inner.columns)}" + (either(f" AND {self.condition(inner.columns)}") if self.chance(0.3) else "")
        if kind < 0.9:
            return f"{left} IN (SELECT {right} FROM {inner.sql} WHERE {where})"
        return f"{left} NOT IN (SELECT {right} FROM {inner.sql} WHERE {right} IS NOT NULL AND {where})"

    def lateral(self, columns, depth):
        """A subquery that depends on each row: what joins it, and its columns."""
        some, inner, key = self.below(columns, depth)
        self.aliases += 1
        alias = f"r{self.aliases}"
        value, other = self.one(*inner), self.one(*inner)
        order = f"{value.name}{self.one('', ' DESC', ' NULLS FIRST')}, {', '.join(key)}"
        kind = self.dice.random()
        listed = f"{value.name} AS a, {other.name} AS b"
        kinds = [value.kind, other.kind]
        on = "true"
        if kind < 0.4:
            text = f"SELECT {listed} {some} ORDER BY {order} LIMIT {self.one(1, 1, 2, 5)}"
        elif kind < 0.6:
            text = f"SELECT count(*) AS a, {self.one('min', 'max')}({other.name}) AS b {some}{self.one('', ' OFFSET 0')}"
            kinds[0] = "count"
        elif kind < 0.75:
            text = f"SELECT {listed}, row_number() OVER (ORDER BY {order}) AS nth {some}"
            on = f"{alias}.nth <= {self.one(1, 2)}"
        elif kind < 0.85:
            text = f"SELECT DISTINCT ON ({value.name}) {listed} {some} ORDER BY {value.name}, {', '.join(key)}"
        else:
            text = f"SELECT {listed} {some}"
        join = self.one("JOIN", "LEFT JOIN", "LEFT JOIN")
        return (f" {join} LATERAL ({text}) {alias} ON {on}",
                [Column(f"{alias}.{name}", kind, "") for name, kind in zip("ab", kinds) if kind != "count"],
                [f"{alias}.a", f"{alias}.b"])

    def grouped_rows(self, columns):
        """Groups that are joined: what joins them, and their columns."""
        inner = self.reference()
        self.aliases += 1
        alias = f"r{self.aliases}"
        left, _, right = self.link(columns, inner.columns).partition(" = ")
        if not right:
            return "", [], []
        value = self.one(*inner.columns)
        where = f" WHERE {self.condition(inner.columns)}" if self.chance(0.5) else ""
        text = (f" {self.one('JOIN', 'LEFT JOIN')} (SELECT {right} AS k, count(*) AS a, {self.one('min', 'max')}({value.name}) AS b"
                f" FROM {inner.sql}{where} GROUP BY {right}) {alias} ON {alias}.k = {left}")
        return text, [], [f"{alias}.a", f"{alias}.b"]

    def joined(self):
        """FROM and WHERE, columns, and more to show."""
        rows = self.reference()
        sql, columns, shown = rows.sql, rows.columns, list(rows.key)
        for _ in range(self.one(0, 0, 1, 1, 2)):
            right = self.reference()
            kind = self.one("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "FULL JOIN" if self.chance(0.2) else "JOIN")
            on = self.link(columns, right.columns)
            if " = " not in on:
                continue
            if kind != "FULL JOIN" and self.chance(0.3):
                on += either(f" AND {self.condition(right.columns)}")
            sql += f" {kind} {right.sql} ON {on}"
            columns, shown = columns + right.columns, shown + right.key
        for _ in range(self.one(0, 1, 1, 2, 3)):
            text, more, values = self.lateral(columns, 1) if self.chance(0.75) else self.grouped_rows(columns)
            sql += text
            columns, shown = columns + (more if self.chance(0.2) else []), shown + values
        conditions = [self.subquery_condition(columns, 1) for _ in range(self.one(0, 1, 1, 2))]
        conditions += [self.condition(columns) for _ in range(self.one(0, 0, 1, 2))]
        if len(conditions) > 1 and self.chance(0.2):
            conditions = [f"({conditions[0]} OR {conditions[1]})", *conditions[2:]]
        where = "".join((either(f" AND {condition}") if i else condition) for i, condition in enumerate(conditions))
        return sql + (f" WHERE {where}" if where else ""), columns, shown

    def query(self):
        """Any query."""
        kind = self.dice.random()
        sql, columns, shown = self.joined()
        labels = [column for column in columns if column.kind != "money"]
        values = self.dice.sample(columns, min(len(columns), self.one(1, 2, 3)))
        if kind < 0.55:
            listed = shown + [column.name for column in values]
            if self.chance(0.3):
                some, inner, _ = self.below(columns, 0)
                listed.append(f"(SELECT {self.one('count', 'max', 'min')}({self.one(*inner).name}) {some})")
            return "SELECT " + ", ".join(f"{sql} AS s{i}" for i, sql in enumerate(listed)) + f" FROM {sql}"
        if kind < 0.9:
            keys = [column.name for column in self.dice.sample(labels, self.one(1, 1, 2))]
            number = [column.name for column in columns if column.kind in ("small", "number")]
            listed = keys + ["count(*)", f"sum({self.one(*number)})", f"{self.one('min', 'max')}({values[0].name})"]
            return ("SELECT " + ", ".join(f"{sql} AS s{i}" for i, sql in enumerate(listed))
                    + f" FROM {sql} GROUP BY {', '.join(keys)}")
        return "SELECT DISTINCT " + ", ".join(f"{column.name} AS s{i}" for i, column in enumerate(labels[:3])) + f" FROM {sql}"


class Anchors(Scenario):
    """Tables of hundreds of rows, and views that go by several anchors."""

    def __init__(self, seed, rounds, report):
        super().__init__(seed, rounds, report)
        self.recent = self.zones = False
        self.bulk = Bulk(self.dice)
        self.bulk.not_null = {}
        self.tables = []

    def set_up(self):
        """Makes tables and views."""
        for session in (0, 1):
            self.alone("SET refresh_mv.exact_cost_limit = 1e9", kind="setup", session=session)
        span = self.dice.choice([60, 150, 150, 400])
        for i in range(self.dice.choice([2, 3, 4, 5])):
            table = self.bulk.table(f"t{i}", span)
            for sql, required in self.bulk.create(table):
                self.bulk.not_null[table.name] = required
                self.alone(sql, kind="setup")
            self.tables.append(table)
            self.alone(self.bulk.insert(table, self.dice.choice([span // 2, span, span * 2])))
        self.alone("ANALYZE", kind="setup")
        for _ in range(self.dice.randint(5, 8)):
            self.create_view("m")
        self.smart("function")

    def suits(self, query):
        """True if PostgreSQL takes a query, and it costs little and has not too many rows."""
        self.report.attempts += 1
        main = self.runner.main
        error = main.attempt(f"EXPLAIN (FORMAT JSON) {plain(query)}")
        if error:
            self.report.refused[error[0]] += 1
            return False
        return (main.rows[0][0][0]["Plan"]["Total Cost"] < 30000
                and not main.attempt(f"SELECT count(*) FROM (SELECT FROM ({plain(query)}) q LIMIT 5001) q")
                and 0 < main.rows[0][0] <= 5000)

    def create_view(self, prefix):
        """Makes a random view that PostgreSQL accepts and that is not too large; tracks it."""
        for _ in range(30):
            query = Anchored(self.dice, self.tables).query()
            if self.suits(query):
                break
        else:
            return
        self.counter[prefix] += 1
        name = f"{prefix}{self.counter[prefix]}"
        self.report.views += 1
        self.alone(f"CREATE MATERIALIZED VIEW {name} AS {query}", kind="view")
        error = self.step(f"SELECT refresh_mv.track('{name}')", kind="view")
        if error:
            self.report.untracked[error[1].partition("HINT")[0].partition("DETAIL")[2][:150]] += 1

    def round(self):
        """Changes of some tables, in one transaction or several, and a refresh of all views."""
        changed = [table for table in self.tables if self.chance(0.5)] or [self.dice.choice(self.tables)]
        together = self.chance(0.2)
        self.unit += 1
        if together:
            self.step("BEGIN")
        for table in changed:
            for _ in range(self.dice.choice([1, 1, 2, 3])):
                sql = self.bulk.any(table)
                self.step(sql) if together else self.alone(sql)
        if together:
            self.step(self.dice.choice(["COMMIT"] * 5 + ["ROLLBACK"]))
        if self.chance(0.1):
            self.alone("ANALYZE")
        for table in self.tables:
            self.alone(self.bulk.insert(table, table.span // 2)) if self.is_empty(table) else None
        self.refresh("smart", sorted(self.runner.existing()))
        self.replace_views()

    def is_empty(self, table):
        """True if a table has hardly any rows left."""
        return self.runner.main.execute(f"SELECT count(*) < 10 FROM {table.name}")[0][0]


def main():
    """Runs seeds until there were enough refreshes."""
    report = Report()

    def is_enough():
        return sum(report.methods["smart", method] for method in ("delta", "keys")) >= REFRESHES

    right, asked, seconds = run_seeds(__doc__, report, is_enough, 8, Anchors)
    enough = summarize(report, seconds) or asked
    return 0 if right and enough else 1


if __name__ == "__main__":
    sys.exit(main())
