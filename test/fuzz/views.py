"""Random queries that have one right answer each, to the byte."""
import collections

from schema import EXTREMES, LABELS, MANY_FACES, VALUES
from script import either

Column = collections.namedtuple("Column", "sql type")
# Rows to select from: the text for FROM, columns, and those that tell its rows apart (None: unknown).
Rows = collections.namedtuple("Rows", "sql columns total")

SUMS = {"integer": "bigint", "smallint": "bigint", "bigint": "numeric", "numeric": "numeric", "numeric(8,2)": "numeric",
        "double precision": "double precision", "interval": "interval", "money": "money"}
MEANS = {"integer": "numeric", "smallint": "numeric", "bigint": "numeric", "numeric": "numeric", "numeric(8,2)": "numeric",
         "double precision": "double precision", "interval": "interval"}
JOINS = ["JOIN"] * 5 + ["LEFT JOIN"] * 5 + ["RIGHT JOIN"] * 2 + ["FULL JOIN"]


class Grammar:
    """Makes queries over some relations."""

    def __init__(self, dice, relations):
        self.dice = dice
        self.relations = relations
        self.ctes = []
        self.aliases = 0

    # ------------------------------------------------------------ small parts

    def chance(self, probability):
        """True so often."""
        return self.dice.random() < probability

    def one(self, *choices):
        """One of these."""
        return self.dice.choice(choices)

    def literal(self, type_):
        """A value of a type."""
        value = self.dice.choice(VALUES.get(type_, ["1"]))
        return str(value) if type_ == "integer" else f"'{value}'::{type_}"

    def of(self, columns, types):
        """A column of one of these types, or None."""
        fitting = [column for column in columns if column.type in types]
        return self.dice.choice(fitting) if fitting else None

    def label(self, columns):
        """A column whose equal values are the same."""
        return self.of(columns, LABELS) or Column("1", "integer")

    def expression(self, columns, labels=False):
        """An expression over columns."""
        column = self.label(columns) if labels else self.dice.choice(columns)
        if self.chance(0.65):
            return column
        sql, type_ = column
        same = self.of(columns, {type_}).sql if column in columns else sql
        choices = [f"coalesce({sql}, {self.literal(type_)})", f"coalesce({sql}, {same})",
                   f"CASE WHEN {self.condition(columns)} THEN {sql} ELSE {same} END",
                   f"CASE WHEN {self.condition(columns)} THEN {sql} END"]
        if type_ not in MANY_FACES:
            choices.append(f"nullif({sql}, {self.literal(type_)})")
        if type_ == "integer":
            choices += [f"({sql} + 1)", f"({sql} % 3)", f"twist({sql})", f"({sql} * {same})", f"abs({sql} - {same})"]
            choices += [f"(12 / {sql})"] * self.chance(0.1)
        elif type_ == "text":
            choices += [f"upper({sql})", f"left({sql}, 1)", f"({sql} || '.' || {same})"]
        result = self.dice.choice(choices)
        if type_ in ("numeric(8,2)", "character varying(8)", "character(3)"):
            result = f"({result})::{type_}"
        elif type_ == "timestamp without time zone" and self.chance(0.5):
            result, type_ = self.one((f"{sql}::date", "date"), (f"date_trunc('month', {sql})", type_))
        elif type_ == "timestamp with time zone" and self.chance(0.5):
            result, type_ = f"{sql}::date", "date"
        elif self.chance(0.06):
            result, type_ = self.one((f"({sql} IS NULL)", "boolean"), (f"({self.condition(columns)})", "boolean"),
                                     (f"({sql} IS NULL)::integer", "integer"))
        return Column(either(result, sql if type_ == column.type else result), type_)

    def typed(self, columns, type_):
        """An expression of just this type."""
        column = self.of(columns, {type_})
        return column.sql if column and self.chance(0.9) else self.one(f"NULL::{type_}", self.literal(type_))

    def condition(self, columns, depth=0, outer=()):
        """A condition; subqueries only if depth is positive."""
        if depth > 0 and self.chance(0.2):
            return self.subquery_condition(columns, depth)
        column = self.label(columns)
        sql, value = column.sql, self.literal(column.type)
        other = self.of([other for other in [*columns, *outer] if other != column], {column.type}) or column
        choices = [f"{sql} IS NULL", f"{sql} IS NOT NULL", f"{sql} = {value}", f"{sql} <> {value}",
                   f"{sql} = {other.sql}", f"{sql} IS DISTINCT FROM {other.sql}", f"({sql} = {value}) IS NOT TRUE",
                   f"({sql} = {other.sql} OR {sql} IS NULL)", f"coalesce({sql}, {value}) = {value}",
                   f"{sql} IN ({value}, {self.literal(column.type)})",
                   f"{sql} NOT IN ({value}, {self.one('NULL', self.literal(column.type))})",
                   f"NOT ({sql} = {other.sql} AND {sql} = {value})"]
        if column.type in EXTREMES:
            choices += [f"{sql} > {value}", f"{sql} <= {value}", f"{sql} > {other.sql}", f"NOT {sql} > {value}"]
        return self.dice.choice(choices)

    def subquery_condition(self, columns, depth):
        """A condition with a subquery."""
        rows = self.rows(depth - 1, self.one(1, 1, 2))
        inner, link = self.join_columns(rows.columns, columns)
        equal = f"{inner.sql} = {link.sql}"
        where = self.one(equal, equal, equal, equal, "true", f"{inner.sql} <> {link.sql}",
                         f"{inner.sql} IS NOT DISTINCT FROM {link.sql}")
        if self.chance(0.4):
            where += either(f" AND {self.condition(rows.columns, 0, columns)}")
        value, out = self.join_columns(rows.columns, columns)
        a_set = f"(SELECT {value.sql} FROM {rows.sql}{either(f' WHERE {where}')})"
        some = f"FROM {rows.sql} WHERE {where}"
        return self.one(
            f"EXISTS (SELECT {some})", f"EXISTS (SELECT {some})", f"NOT EXISTS (SELECT {some})",
            f"{out.sql} IN {a_set}", f"{out.sql} NOT IN {a_set}", f"({out.sql} IN {a_set} OR {out.sql} IS NULL)",
            f"{out.sql} = ANY {a_set}", f"({out.sql} NOT IN {a_set}) IS TRUE",
            f"(SELECT count(*) {some}) > {self.one(0, 1, 2)}", f"(SELECT max({value.sql}) {some}) IS NULL"
            if value.type in EXTREMES else f"EXISTS (SELECT {some})",
            f"{out.sql} = (SELECT max({value.sql}) {some})" if value.type in EXTREMES else f"{out.sql} IN {a_set}")

    def where(self, columns, depth, outer=()):
        """A WHERE clause, or nothing."""
        number = self.one(0, 0, 1, 1, 2)
        if not number:
            return ""
        more = "".join(either(f" AND {self.condition(columns, depth, outer)}") for _ in range(number - 1))
        return either(f" WHERE {self.condition(columns, depth, outer)}{more}")

    # ------------------------------------------------------------------- FROM

    def alias(self):
        """A new alias."""
        self.aliases += 1
        return f"r{self.aliases}"

    def rows(self, depth, number=None):
        """Joined relations."""
        number = number or self.one(1, 1, 2, 2, 2, 3, 3, 4)
        return self.tree(number if depth > 0 else min(number, 3), depth)

    def tree(self, number, depth):
        """A tree of joins of so many relations."""
        if number == 1:
            return self.leaf(depth)
        split = self.one(number - 1, number - 1, self.dice.randrange(1, number))
        left = self.tree(split, depth)
        if number - split == 1 and depth > 0 and self.chance(0.1):
            return self.lateral(left, depth)
        right = self.tree(number - split, depth)
        columns = left.columns + right.columns
        kind = self.dice.choice(JOINS)
        a, b = self.join_columns(left.columns, right.columns)
        on = f"{a.sql} = {b.sql}"
        if kind == "FULL JOIN":
            if self.chance(0.2):
                a, b = self.join_columns(left.columns, right.columns)
                on += either(f" AND {a.sql} = {b.sql}")
        elif self.chance(0.3):
            on += either(f" AND {self.condition(self.one(left.columns, right.columns, columns), depth - 1)}")
        elif self.chance(0.04):
            on = self.condition(columns, depth - 1)
        sql = right.sql if number - split == 1 else f"({right.sql})"
        if kind == "JOIN" and self.chance(0.15):
            text = f"{left.sql} CROSS JOIN {sql}" if self.chance(0.15) else f"{left.sql} {kind} {sql} ON {on}"
        else:
            text = left.sql + either(f" {kind} {sql} ON {on}")
        total = left.total + right.total if left.total is not None and right.total is not None else None
        return Rows(f"({text})" if self.chance(0.1) else text, columns, total)

    def join_columns(self, left, right):
        """Two columns of one type, mostly integers; rarely a constant."""
        common = {column.type for column in left} & {column.type for column in right} & LABELS
        if "integer" in common and self.chance(0.8):
            common = {"integer"}
        a = self.of(left, common) or self.label(left)
        return a, self.of(right, {a.type}) or Column(self.literal(a.type), a.type)

    def leaf(self, depth):
        """A relation, or a subquery in its place."""
        alias = self.alias()
        if self.ctes and self.chance(0.5):
            name, columns = self.dice.choice(self.ctes)
            return Rows(f"{name} {alias}", [Column(f"{alias}.{column}", type_) for column, type_ in columns], None)
        if depth > 0 and self.chance(0.12):
            query, columns = self.query(depth - 1)
            return Rows(f"({query}) {alias}", [Column(f"{alias}.{name}", type_) for name, type_ in columns], None)
        if depth > 0 and self.chance(0.02):
            values = ", ".join(f"({self.literal('integer')}, {self.one('NULL', self.literal('text'))})" for _ in range(3))
            return Rows(f"(VALUES {values}) {alias}(c0, c1)",
                        [Column(f"{alias}.c0", "integer"), Column(f"{alias}.c1", "text")], None)
        if depth > 0 and self.chance(0.02):
            return Rows(f"generate_series(0, {self.one(3, 6)}) {alias}(c0)", [Column(f"{alias}.c0", "integer")],
                        [f"{alias}.c0"])
        relation = self.dice.choice(self.relations)
        total = [f"{alias}.{column.name}" for column in relation.key] or None
        return Rows(f"{relation.name} {alias}", [Column(f"{alias}.{column.name}", column.type)
                                                 for column in relation.columns], total)

    def lateral(self, left, depth):
        """A join with something that depends on each row."""
        alias, outer = self.alias(), left.columns
        kind = self.one("JOIN", "LEFT JOIN")
        number = self.of(outer, {"integer"})
        if number and self.chance(0.25):
            text = f"{left.sql} {kind} LATERAL generate_series(1, abs({number.sql} % 3)) {alias}(c0) ON true"
            return Rows(text, [*outer, Column(f"{alias}.c0", "integer")], left.total and [*left.total, f"{alias}.c0"])
        rows = self.rows(depth - 1, 1)
        inner = self.label(rows.columns)
        link = self.of(outer, {inner.type}) or inner
        where = f" WHERE {inner.sql} = {link.sql}"
        outputs = [self.label(rows.columns), self.expression([*rows.columns, *outer], labels=True)]
        if self.chance(0.3):
            outputs = [self.aggregate(rows.columns) for _ in outputs]
            limit = ""
        else:
            limit = self.one("", "", " ORDER BY 1, 2 LIMIT 1", " ORDER BY 1 DESC, 2 LIMIT 2")
        listed = ", ".join(f"{column.sql} AS c{i}" for i, column in enumerate(outputs))
        text = f"{left.sql} {kind} LATERAL (SELECT {listed} FROM {rows.sql}{where}{either(limit)}) {alias} ON true"
        return Rows(text, [*outer, *(Column(f"{alias}.c{i}", column.type) for i, column in enumerate(outputs))], None)

    # -------------------------------------------------------------- aggregates

    def aggregate(self, columns, depth=0):
        """An aggregate, perhaps in an expression."""
        sql, type_ = self.bare_aggregate(columns)
        if self.chance(0.2) and not sql.startswith("percentile"):
            sql += either(f" FILTER (WHERE {self.condition(columns, depth - 1)})")
        if self.chance(0.12) and type_ in ("bigint", "numeric"):
            sql = either(self.one(f"coalesce({sql}, 0)", f"100.0 * {sql} / nullif(count(*), 0)", f"({sql} + count(*))",
                                  f"round({sql}::numeric, 1)"), sql)
            type_ = "bigint" if type_ == "bigint" and "coalesce" in sql else "numeric"
        return Column(sql, type_)

    def bare_aggregate(self, columns):
        """A call of an aggregate."""
        expression = self.expression(columns)
        summed, mean = (self.of(columns, set(of)) for of in (SUMS, MEANS))
        extreme, label = self.of(columns, EXTREMES), self.label(columns)
        number, text = self.of(columns, {"integer"}), self.of(columns, {"text"})
        if number and self.chance(0.5):
            number = self.expression([number])
        choices = [("count(*)", "bigint"), ("count(*)", "bigint"), (f"count({expression.sql})", "bigint"),
                   (f"count(DISTINCT {label.sql})", "bigint"), (f"bool_and({self.condition(columns)})", "boolean"),
                   (f"bool_or({self.condition(columns)})", "boolean"),
                   (f"array_agg({label.sql}::text ORDER BY {label.sql}::text COLLATE \"C\")", "text[]")]
        if summed:
            choices += [(f"sum({summed.sql})", SUMS[summed.type])] * 3
        if mean:
            choices += [(f"avg({mean.sql})", MEANS[mean.type])]
        if extreme:
            choices += [(f"{self.one('min', 'max')}({extreme.sql})", extreme.type)] * 2
        if number and number.type == "integer":
            choices += [(f"sum({number.sql})", "bigint"), (f"max({number.sql})", "integer"),
                        (f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {number.sql})", "integer")]
        numeric = self.of(columns, {"numeric", "numeric(8,2)"})
        if numeric:
            choices += [(f"{self.one('sum', 'avg')}({self.one('', '-', '1.5 * ')}{numeric.sql})", "numeric"),
                        (f"count(DISTINCT {numeric.sql})", "bigint")]
        if text:
            distinct = self.one("", "DISTINCT ")
            choices += [(f"string_agg({distinct}{text.sql}, ',' ORDER BY {text.sql})", "text")]
        return self.dice.choice(choices)

    def having(self, columns, depth):
        """A HAVING clause, or nothing."""
        if self.chance(0.75):
            return ""
        label = self.label(columns)
        return either(" HAVING " + self.one(
            "count(*) > 1", "count(*) % 2 = 0", f"count({label.sql}) > 1", f"bool_or({self.condition(columns)})",
            f"count(DISTINCT {label.sql}) < 3", f"min({label.sql}) IS NULL" if label.type in EXTREMES else "count(*) < 4",
            f"count(*) > (SELECT count(*) / 9 FROM {self.leaf(0).sql})" if depth > 0 and self.chance(0.2) else "count(*) < 5"))

    # ----------------------------------------------------------------- queries

    def query(self, depth, top=False):
        """A query, and the names and types of its columns."""
        kinds = {self.plain: 10, self.grouped: 7, self.distinct: 1, self.windowed: 0.7, self.combined: 1.2,
                 self.distinct_on: 0.3, self.limited: 0.1, self.grouping_sets: 0.05}
        if top:
            kinds |= {self.grouped: 14, self.windowed: 1.5, self.with_ctes: 1.5, self.of_union: 1, self.grouping_sets: 0.2}
        return self.dice.choices([*kinds], [*kinds.values()])[0](depth)

    def outputs(self, columns, labels=False, least=1):
        """Some expressions."""
        return [self.expression(columns, labels) for _ in range(max(least, self.one(1, 2, 3, 3, 4)))]

    def select(self, outputs, rest, distinct="", needed=0):
        """SELECT and the names of its columns; those after the first needed ones can be left out."""
        parts = []
        for i, column in enumerate(outputs):
            part = f"{', ' if i else ''}{column.sql} AS c{i}"
            parts.append(either(part) if i > max(0, needed - 1) else part)
        return f"SELECT {distinct}{''.join(parts)}{rest}", [(f"c{i}", column.type) for i, column in enumerate(outputs)]

    def plain(self, depth):
        """Rows, with a subquery among the columns now and then."""
        rows = self.rows(depth)
        outputs = self.outputs(rows.columns)
        if rows.total and self.chance(0.4):
            outputs += [Column(sql, column.type) for sql in rows.total for column in rows.columns if column.sql == sql]
        if depth > 0 and self.chance(0.12):
            inner = self.rows(depth - 1, 1)
            label = self.label(inner.columns)
            link = self.of(rows.columns, {label.type}) or label
            aggregate = self.aggregate(inner.columns)
            outputs.append(Column(f"(SELECT {aggregate.sql} FROM {inner.sql} WHERE {label.sql} = {link.sql})",
                                  aggregate.type))
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)}")

    def grouped(self, depth):
        """Groups."""
        rows = self.rows(depth)
        keys = [self.expression(rows.columns, labels=True) for _ in range(self.one(0, 1, 1, 1, 2, 2, 3))]
        keys = [key for key in keys if key.sql != "1"]
        hidden = keys.pop() if len(keys) > 1 and self.chance(0.1) else None
        groups = [str(i + 1) for i in range(len(keys))] + ([hidden.sql] if hidden else [])
        aggregates = [self.aggregate(rows.columns, depth) for _ in range(self.one(1, 1, 2, 2, 3, 4))]
        rest = f" FROM {rows.sql}{self.where(rows.columns, depth)}"
        if groups:
            rest += f" GROUP BY {', '.join(groups)}"
        rest += self.having(rows.columns, depth)
        outputs = keys + aggregates
        if keys and not hidden and self.chance(0.08):
            order = ", ".join(str(i + 1) for i in range(len(keys)))
            rest += either(f" ORDER BY {self.one('count(*), ', 'count(*) DESC, ', '')}{order} "
                           + self.one("LIMIT 3", "LIMIT 2 OFFSET 1", "FETCH FIRST 2 ROWS WITH TIES"))
        return self.select(outputs, rest, needed=len(keys))

    def grouping_sets(self, depth):
        """ROLLUP, CUBE, GROUPING SETS."""
        rows = self.rows(depth)
        a, b = self.label(rows.columns), self.label(rows.columns)
        if a == b:
            return self.grouped(depth)
        sets = self.one(f"ROLLUP ({a.sql}, {b.sql})", f"CUBE ({a.sql}, {b.sql})",
                        f"GROUPING SETS (({a.sql}), ({b.sql}), ())", f"{a.sql}, ROLLUP ({b.sql})")
        outputs = [a, b, self.aggregate(rows.columns), Column(f"grouping({a.sql}, {b.sql})", "integer")]
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)} GROUP BY {sets}", needed=2)

    def distinct(self, depth):
        """SELECT DISTINCT."""
        rows = self.rows(depth)
        return self.select(self.outputs(rows.columns, labels=True),
                           f" FROM {rows.sql}{self.where(rows.columns, depth)}", "DISTINCT ")

    def distinct_on(self, depth):
        """DISTINCT ON, in an order that leaves no choice."""
        rows = self.rows(depth)
        outputs = self.outputs(rows.columns, labels=True, least=2)
        order = ", ".join(f"{i + 1}{self.one('', '', ' DESC') if i else ''}" for i in range(len(outputs)))
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)} ORDER BY {order}",
                           f"DISTINCT ON ({outputs[0].sql}) ", needed=len(outputs))

    def limited(self, depth):
        """The first rows."""
        rows = self.rows(depth)
        outputs = self.outputs(rows.columns, labels=True)
        order = ", ".join(str(i + 1) for i in range(len(outputs)))
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)} ORDER BY {order} LIMIT 5",
                           needed=len(outputs))

    def windowed(self, depth):
        """Window functions, mostly by one partition that is shown."""
        rows = self.rows(depth)
        partition = self.label(rows.columns)
        outputs = [partition, *self.outputs(rows.columns)]
        for _ in range(self.one(1, 1, 2)):
            by = f"PARTITION BY {partition.sql}" if self.chance(0.9) else ""
            order = self.label(rows.columns)
            number = self.of(rows.columns, {"integer", "numeric", "bigint"})
            choices = [("rank()", "bigint", order.sql), ("dense_rank()", "bigint", order.sql), ("count(*)", "bigint", None),
                       ("count(*)", "bigint", order.sql)]
            if number:
                choices += [(f"sum({number.sql})", SUMS[number.type], self.one(None, order.sql)),
                            (f"avg({number.sql})", "numeric", None)]
            if rows.total:
                total = ", ".join([order.sql, *rows.total])
                choices += [("row_number()", "bigint", total), (f"lag({order.sql})", order.type, total),
                            (f"first_value({order.sql})", order.type, total), ("ntile(2)", "integer", total)]
            call, type_, order_by = self.dice.choice(choices)
            over = " ".join(filter(None, [by, order_by and f"ORDER BY {order_by}"]))
            outputs.append(Column(f"{call} OVER ({over})", type_))
        return self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth)}")

    def combined(self, depth):
        """Set operations."""
        operators = [self.one("UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL")
                     for _ in range(self.one(1, 1, 1, 2))]
        rows = self.rows(depth - 1, self.one(1, 1, 2))
        all_types = operators == ["UNION ALL"] * len(operators)
        outputs = self.outputs(rows.columns, labels=not all_types)
        types = [column.type for column in outputs]
        sql, names = self.select(outputs, f" FROM {rows.sql}{self.where(rows.columns, depth - 1)}", needed=len(types))
        for operator in operators:
            rows = self.rows(depth - 1, self.one(1, 1, 2))
            arm = [Column(self.typed(rows.columns, type_), type_) for type_ in types]
            text, _ = self.select(arm, f" FROM {rows.sql}{self.where(rows.columns, depth - 1)}", needed=len(types))
            sql += either(f" {operator} {text}")
        return sql, names

    def of_union(self, depth):
        """Groups over a set operation."""
        query, names = self.combined(depth)
        alias = self.alias()
        columns = [Column(f"{alias}.{name}", type_) for name, type_ in names]
        key = self.label(columns)
        if key.sql == "1":
            return query, names
        return self.select([key, *(self.aggregate(columns) for _ in range(2))],
                           f" FROM ({query}) {alias} GROUP BY 1{self.having(columns, 0)}", needed=1)

    def with_ctes(self, depth):
        """WITH; the queries in it are read by the rest, perhaps more than once."""
        parts = []
        for i in range(self.one(1, 1, 2)):
            query, columns = self.query(depth - 1)
            parts.append(f"w{i} AS {self.one('', '', 'MATERIALIZED ', 'NOT MATERIALIZED ')}({query})")
            self.ctes.append((f"w{i}", columns))
        sql, names = self.query(depth)
        self.ctes = []
        return f"WITH {', '.join(parts)} {sql}", names
