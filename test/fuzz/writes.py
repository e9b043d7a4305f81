"""Random statements that change rows, and random DDL."""
from schema import COMMON, EXTREMES, NAMES, RECENT, VALUES
from script import either
from statements import Statements


class Writes(Statements):
    """Makes statements on the tables that there are."""

    def __init__(self, dice, relations, recent):
        super().__init__(dice)
        self.recent = recent     # dates are near today's
        self.relations = relations
        self.tables = [table for table in relations.values() if table.kind in "rp" and not table.partition]

    # ----------------------------------------------------------------- values

    def value(self, column, wide=False):
        """A random value."""
        dice = self.dice
        if not column.required and dice.random() < 0.15:
            return f"NULL::{column.type}"
        if column.parent and dice.random() < 0.95:
            table, _, name = column.parent.rpartition(".")
            return f"(SELECT max({name}) FROM {table} WHERE {name} <= {dice.randrange(30)})"
        if wide or column.key:
            number = dice.randrange(24)
            if column.type in ("integer", "bigint", "smallint"):
                return str(number if wide else number % 12)
            if column.type.startswith(("text", "character varying")):
                return f"'k{number}'"
            if column.type == "date":
                return f"date '2024-01-01' + {number}"
        if self.recent and column.type in ("date", "timestamp without time zone", "timestamp with time zone"):
            return f"({dice.choice(RECENT)})::{column.type}"
        value = dice.choice(VALUES.get(column.type, ["1"]))
        return str(value) if column.type == "integer" else f"'{value}'::{column.type}"

    def column_value(self, table, column):
        """A value that fits: those of the first column of a key are many."""
        return self.value(column, wide=bool(table.key) and column is table.key[0])

    def row(self, table):
        """A row for VALUES."""
        return "(" + ", ".join(self.column_value(table, column) for column in self.written(table)) + ")"

    def rows(self, table, number):
        """Rows for VALUES; all but the first can be left out."""
        return self.row(table) + "".join(either(f", {self.row(table)}") for _ in range(number - 1))

    @staticmethod
    def written(table):
        """The columns that can be given."""
        return [column for column in table.columns if not column.computed]

    def columns(self, table):
        """Their names."""
        return [column.name for column in self.written(table)]

    def key(self, table):
        """The names of the key's columns."""
        return [column.name for column in table.key]

    def same_key(self, table):
        """A condition on the key."""
        key = table.key or self.written(table)[:1]
        return "(" + " AND ".join(f"{column.name} = {self.column_value(table, column)}" for column in key) + ")"

    def condition(self, table):
        """Which rows: one, some, many, the first, the last."""
        dice, column = self.dice, self.dice.choice(table.columns)
        plain = column if column.type not in ("json",) else table.columns[0]
        first = (table.key or table.columns)[0].name
        extreme = dice.choice(["", " DESC"])
        ordered = dice.choice([other for other in table.columns if other.type in EXTREMES] or [plain])
        return dice.choice([
            self.same_key(table), self.same_key(table), f"({self.same_key(table)} OR {self.same_key(table)})",
            f"{plain.name} = {self.value(plain)}", f"{column.name} IS NULL",
            f"hashtext({first}::text) % {dice.choice([2, 3, 7])} = 0",
            f"{first} = (SELECT {first} FROM {table.name} ORDER BY {first}{extreme} LIMIT 1)",
            f"{ordered.name} = (SELECT {ordered.name} FROM {table.name} WHERE {ordered.name} IS NOT NULL"
            f" ORDER BY {ordered.name}{extreme} LIMIT 1)"])

    def some(self, table, alias):
        """Some of the rows of an alias."""
        if table.rest and self.dice.random() < 0.3:
            return f"{alias}.{self.dice.choice(table.rest).name} IS NULL"
        return f"hashtext({alias}.{table.key[0].name}::text) % {self.dice.choice([2, 3, 5])} = 0"

    def change(self, table):
        """For SET of other columns than the key, if there are any."""
        return self.assignments(table)

    def conflict_change(self, table):
        """For ON CONFLICT: what was to be inserted, or another value."""
        column = self.dice.choice([*table.rest, None])
        return f"{column.name} = EXCLUDED.{column.name}" if column else self.change(table)

    def merge_change(self, table):
        """For MERGE; of the key, too."""
        return self.assignments(table, [self.dice.choice(self.dice.choice([table.rest, self.written(table)]))])

    def replaced(self, table):
        """A column and its new value."""
        column = self.dice.choice(table.rest)
        return column.name, self.value(column)

    def new_key(self, table):
        """The first column, and a value."""
        column = self.written(table)[0]
        return column.name, self.column_value(table, column)

    def other(self, _table):
        """Any table."""
        return self.dice.choice(self.tables)

    # -------------------------------------------------------------- statements

    def target(self, table):
        """The table, or one of its partitions."""
        parts = [part.name for part in self.relations.values() if part.partition and part.parent == table.name]
        return self.dice.choice(parts) if parts and self.dice.random() < 0.3 else table.name

    def fill(self, table, number):
        """Rows for a table: the statement and the rows."""
        return f"INSERT INTO {table.name} ({self.names(table)}) VALUES {{rows}} ON CONFLICT DO NOTHING", tuple(
            self.row(table) for _ in range(number))

    def many(self, table):
        """Very many rows, so that the planner has something to think about."""
        columns = []
        for i, column in enumerate(self.written(table)):
            if column.type in ("integer", "bigint"):
                columns.append("1000 + i" if i == 0 else "i % 97")
            elif column.type.startswith(("text", "character varying")):
                columns.append("'m' || i" if i == 0 else "'x' || i % 9")
            else:
                columns.append(self.value(column))
        return (f"INSERT INTO {table.name} ({self.names(table)}) SELECT {', '.join(columns)}"
                f" FROM generate_series(1, {self.dice.choice([200, 800])}) i ON CONFLICT DO NOTHING")

    def assignments(self, table, columns=None):
        """For SET."""
        columns = columns or self.dice.sample(table.rest, min(len(table.rest), self.dice.choice([1, 1, 2])))
        return "".join(("" if i == 0 else ", ") + f"{column.name} = {self.value(column)}"
                       for i, column in enumerate(columns))

    def update_from(self, table):
        """UPDATE by another table."""
        other, column = self.dice.choice(self.tables), self.dice.choice(table.rest)
        same = [(a, b) for a in table.columns for b in other.columns if a.type == b.type == "integer"]
        if not same:
            return self.update(table)
        a, b = self.dice.choice(same)
        return (f"UPDATE {table.name} u SET {column.name} = {self.value(column)} FROM {other.name} o"
                f" WHERE u.{a.name} = o.{b.name}")

    def update_key(self, table):
        """UPDATE of the key, or of a part of it."""
        change = self.assignments(table, [self.dice.choice(table.key)])
        return f"UPDATE {table.name} SET {change} WHERE {self.same_key(table)}"

    def swap(self, table):
        """Two values of a column swapped in one statement."""
        column = self.dice.choice([column for column in [*table.rest, *table.key[-1:]] if column.type != "json"])
        one, two = self.column_value(table, column), self.column_value(table, column)
        value = f"CASE {column.name} WHEN {one} THEN {two} ELSE {one} END"
        where = f"{column.name} IN ({one}, {two})"
        if not column.key:
            return f"UPDATE {table.name} SET {column.name} = {value} WHERE {where}"
        return self.moved(table.name, table.name, table, where, {column.name: value})

    def any(self):
        """One of all these."""
        table = self.dice.choice(self.tables)
        if not table.key or not table.rest:
            return self.simple(table)
        return self.dice.choice([self.insert, self.insert, self.insert, self.update, self.update, self.update,
                                 self.delete, self.update_key, self.update_key, self.swap, self.replace, self.merge,
                                 self.both, self.copied, self.update_from,
                                 self.dice.choice([self.caught, self.loop, self.cursor])])(table)


class Ddl:
    """Makes other statements: what happens to tables and views now and then."""

    def __init__(self, dice, relations, counter):
        self.dice = dice
        self.relations = relations
        self.tables = [table for table in relations.values() if table.kind in "rp" and not table.partition]
        self.counter = counter

    def name(self, prefix):
        """A new name."""
        self.counter[prefix] += 1
        return f"{prefix}{self.counter[prefix]}"

    def column(self, table):
        """The name of a column."""
        return self.dice.choice(table.columns).name

    def any(self):
        """The statements to execute, one after the other."""
        return self.dice.choices(
            [self.add_column, self.drop_column, self.rename_column, self.rename_table, self.index, self.partition,
             self.disabled, self.alter_type, self.truncate, self.twist, self.new_key, self.type_value, self.constraint,
             self.role, self.analyze, self.new_partition],
            [3, 1, 2, 1, 2, 4, 1, 1, 2, 1, 1, 0.5, 1, 0.5, 2, 1])[0](self.dice.choice(self.tables))

    def add_column(self, table):
        """ADD COLUMN; with a default the rows are as they were."""
        default = self.dice.choice(["", " DEFAULT 3", " DEFAULT random()::integer"])
        return [f"ALTER TABLE {table.name} ADD COLUMN {self.name('added')} "
                + (f"integer{default}" if default else self.dice.choice(COMMON))]

    def drop_column(self, table):
        """DROP COLUMN; mostly of one that no view reads."""
        return [f"ALTER TABLE {table.name} DROP COLUMN {self.column(table)}"]

    def rename_column(self, table):
        """RENAME COLUMN."""
        return [f"ALTER TABLE {table.name} RENAME COLUMN {self.column(table)} TO "
                f"{self.dice.choice([self.name('c'), self.dice.choice(NAMES)])}"]

    def rename_table(self, table):
        """RENAME of a table."""
        return [f"ALTER TABLE {table.name} RENAME TO {self.name('renamed')}"]

    def index(self, table):
        """CREATE INDEX on a table or a view."""
        views = [view for view in self.relations.values() if view.kind == "m"]
        on = self.dice.choice([table, *views])
        unique = "UNIQUE " if on.kind == "m" and self.dice.random() < 0.6 else ""
        columns = ", ".join(column.name for column in on.columns[:2]) if unique else self.column(on)
        return [f"CREATE {unique}INDEX ON {on.name} ({columns})"]

    def partition(self, _table):
        """DETACH, and ATTACH again, with a change in between."""
        parts = [part for part in self.relations.values() if part.partition and part.parent]
        if not parts:
            return []
        part = self.dice.choice(parts)
        bound = f"(SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = '{part.name}'::regclass)"
        change = self.dice.choice([f"DELETE FROM {part.name} WHERE hashtext(({part.columns[0].name})::text) % 2 = 0",
                                   f"TRUNCATE {part.name}", "SELECT 1"])
        return [f"DO $$DECLARE bound text := {bound}; BEGIN ALTER TABLE {part.parent} DETACH PARTITION {part.name};"
                f" {change.replace('SELECT', 'PERFORM') if change.startswith('SELECT') else change};"
                f" EXECUTE 'ALTER TABLE {part.parent} ATTACH PARTITION {part.name} ' || bound; END$$"]

    def new_partition(self, _table):
        """A partition is dropped, or one is added."""
        parts = [part for part in self.relations.values() if part.partition and part.kind == "r"]
        if not parts:
            return []
        part = self.dice.choice(parts)
        return [self.dice.choice([f"DROP TABLE {part.name}",
                                  f"CREATE TABLE {self.name('part')} PARTITION OF {part.parent} FOR VALUES IN (7)",
                                  f"ALTER TABLE {part.parent} DETACH PARTITION {part.name}"])]

    def disabled(self, table):
        """Triggers are disabled for a while."""
        which = self.dice.choice(["ALL", "USER"])
        return [f"ALTER TABLE {table.name} DISABLE TRIGGER {which}",
                f"DELETE FROM {table.name} WHERE hashtext(({table.columns[0].name})::text) % 3 = 0",
                f"ALTER TABLE {table.name} ENABLE TRIGGER {which}"]

    def alter_type(self, table):
        """ALTER COLUMN: its type, or what else there is."""
        column = self.dice.choice(table.columns)
        change = {"integer": ["TYPE bigint", "SET DEFAULT 5"], "numeric(8,2)": ["TYPE numeric"],
                  "text": ["TYPE character varying(8)"]}.get(column.type, [])
        return [f"ALTER TABLE {table.name} ALTER COLUMN {column.name} "
                + self.dice.choice([*change, "SET STATISTICS 10", "DROP NOT NULL", "SET NOT NULL"])]

    def truncate(self, table):
        """TRUNCATE."""
        parts = [part.name for part in self.relations.values() if part.partition and part.parent == table.name]
        return [f"TRUNCATE {self.dice.choice([table.name, *parts])} CASCADE"]

    def twist(self, _table):
        """A function that views use is replaced."""
        return [f"CREATE OR REPLACE FUNCTION twist(integer) RETURNS integer IMMUTABLE LANGUAGE sql "
                f"RETURN ($1 * {self.dice.choice([2, 3, 4])}) % 5"]

    def new_key(self, table):
        """Another key takes the place of the primary one."""
        key = ", ".join(column.name for column in table.key)
        return [f"ALTER TABLE {table.name} DROP CONSTRAINT {table.name}_pkey"
                + (f", ADD CONSTRAINT {table.name}_pkey PRIMARY KEY ({key})" if self.dice.random() < 0.7 else "")]

    def type_value(self, _table):
        """ALTER TYPE."""
        return [self.dice.choice([f"ALTER TYPE mood ADD VALUE '{self.name('mood')}' BEFORE 'ok'",
                                  "ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'",
                                  "ALTER TYPE mood RENAME VALUE 'happy' TO 'glad'",
                                  "ALTER DOMAIN positive ADD CHECK (value < 100)"])]

    def constraint(self, table):
        """A check, a foreign key."""
        return [f"ALTER TABLE {table.name} ADD CHECK ({self.column(table)} IS NOT NULL) NOT VALID"]

    def role(self, table):
        """Rights."""
        return [f"GRANT SELECT ON {table.name} TO PUBLIC"]

    def analyze(self, _table):
        """Statistics, or other things that change no row."""
        return [self.dice.choice(["ANALYZE", "VACUUM"])]
