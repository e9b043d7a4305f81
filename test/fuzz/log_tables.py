"""Tables with keys, columns and partitions that are hard to log, and random statements on them."""
import hashlib
import random

from statements import Statements

KEYS = 24          # different keys of a table


def quote(text):
    """A literal."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


# The kinds of keys: columns, and what the number i is as a key. Several texts
# of one key are equal to the index and different as images.
KEY_KINDS = {
    "int4": ("integer", lambda i, dice: f"{i - 5}"),
    "int4 edge": ("integer", lambda i, dice: f"{2 ** 31 - 1 - i if i % 4 else i - 2 ** 31}"),
    "int8": ("bigint", lambda i, dice: f"{i * i * 1000003}"),
    "int8 edge": ("bigint", lambda i, dice: f"{2 ** 63 - 1 - i if i % 4 else i - 2 ** 63}"),
    "int2": ("smallint", lambda i, dice: f"{32767 - i if i % 3 else i - 32768}"),
    "uuid": ("uuid", lambda i, dice: hashlib.md5(str(i).encode()).hexdigest()),
    "text": ("text", lambda i, dice: f"key, \"{i}\""),
    "text C": ('text COLLATE "C"', lambda i, dice: f"Schlüssel {i}"),
    "nocase": ("text COLLATE public.nocase", lambda i, dice: dice.choice("kK") + str(i)),
    "numeric": ("numeric", lambda i, dice: f"{i}" + dice.choice(["", ".0", ".00"])),
    "date": ("date", lambda i, dice: f"2024-01-{i + 1:02}"),
    "bpchar": ("char(6)", lambda i, dice: f"c{i}" + dice.choice(["", " "])),
}

# Further columns: type and a random value as an expression.
COLUMN_KINDS = {
    "x": ("text", lambda dice: quote(dice.choice(["", "a", "b'\\", None]))),
    "big": ("text", lambda dice: f"noise({dice.randrange(9)}, {dice.choice([40, 2600, 9000])})"),
    "j": ("jsonb", lambda dice: dice.choice(["NULL", "'{\"a\": 1, \"a\": [2]}'", "'null'", "'1.0'", "'1.00'"])),
    "q": ("numeric", lambda dice: dice.choice(["NULL", "1.0", "1.00", "'NaN'", "-7e30"])),
    "f": ("double precision", lambda dice: dice.choice(["NULL", "0", "'-0'", "'NaN'", "0.1"])),
    "a": ("integer[]", lambda dice: dice.choice(["NULL", "'{}'", "'{1,NULL}'", "'[0:1]={1,2}'"])),
    "b": ("boolean", lambda dice: dice.choice(["NULL", "true", "false"])),
}


def reference(value):
    """Makes random references to keys that have these values."""
    return lambda dice: quote(value(dice.randrange(KEYS), dice)) if dice.random() < 0.7 else "NULL"


class Table:
    """A table, partition tree or inheritance tree with what is needed to write to it at random."""

    def __init__(self, name, dice, parent=None):
        self.name = name
        self.parent = parent  # of a foreign key
        self.children = []
        kinds = dice.sample(sorted(KEY_KINDS), 2 if dice.random() < 0.25 and not parent else 1)
        self.key = [(f"k{number}", *KEY_KINDS[kind]) for number, kind in enumerate(kinds)]
        self.part = dice.choice([None, None, None, "range", "list", "deep"]) if not parent else None
        if self.part:
            self.key.insert(dice.choice([0, len(self.key)]),
                            ("p", "smallint", lambda i, dice: str(dice.choice([0, 0, 1, 2, 3, 9]))))
        self.columns = {"n": ("integer", lambda dice: str(dice.choice(["NULL", *range(20)])))}
        for column in dice.sample(sorted(COLUMN_KINDS), dice.randrange(4)):
            self.columns[column] = COLUMN_KINDS[column]
        self.self_reference = not self.part and len(self.key) == 1 and dice.random() < 0.2
        if self.self_reference:
            _, kind, value = self.key[0]
            self.columns["ref"] = (kind, reference(value))
        if parent:
            self.columns.update({"f" + column: (kind, reference(value)) for column, kind, value in parent.key})
        self.generated = dice.random() < (0.1 if self.part else 0.3)
        self.serial = not self.part and dice.random() < 0.3
        self.dropped = dice.random() < 0.4
        self.tree = not self.part and not parent and dice.random() < 0.4
        self.relations = [name]  # that can be written to: the root, and parts of it
        self.updatable = None    # a view that can be written to
        self.refuses = False     # does a trigger refuse rows?
        self.detached = None     # a partition that is or was detached
        self.left_to_repair = False  # has a transaction of one snapshot, which adapts no triggers, changed its partitions?

    @property
    def key_columns(self):
        """The key's columns, as a list in SQL."""
        return ", ".join(column for column, *_ in self.key)

    @property
    def written(self):
        """The columns to insert into, those of the key first."""
        return [*(column for column, *_ in self.key), *self.columns]

    @property
    def all_columns(self):
        """The same, as a list in SQL."""
        return ", ".join(self.written)

    def create(self, dice):
        """The statements that create it."""
        columns = [f"{column} {kind} NOT NULL" for column, kind, _ in self.key]
        columns += [f"{column} {kind}" for column, (kind, _) in self.columns.items()]
        if self.generated:
            columns.append("g bigint GENERATED ALWAYS AS (n * 2) STORED")
        if self.serial:
            columns.append("s serial UNIQUE")
        dice.shuffle(columns)
        if self.dropped:
            columns.insert(dice.randrange(len(columns)), "gone integer DEFAULT 7")
        body = list(columns)
        storage = "" if self.part else " WITH (autovacuum_enabled = false)"
        by = {None: "", "range": " PARTITION BY RANGE (p)", "list": " PARTITION BY LIST (p)",
              "deep": " PARTITION BY LIST (p)"}[self.part]
        yield f"CREATE TABLE {self.name} ({', '.join(body)}){storage}{by}"
        unique = dice.choice([f"ALTER TABLE {self.name} ADD PRIMARY KEY ({self.key_columns})",
                              f"CREATE UNIQUE INDEX ON {self.name} ({self.key_columns})"])
        yield unique if not self.children and not self.self_reference else (
            f"ALTER TABLE {self.name} ADD PRIMARY KEY ({self.key_columns})")
        if self.part:
            yield from self.create_partitions(columns, dice)
        if self.dropped:
            yield f"ALTER TABLE {self.name} DROP COLUMN gone"
        if self.tree:
            yield from self.create_members(columns, dice)
        yield from self.create_references(dice)
        if dice.random() < 0.3:
            self.updatable = f"{self.name}_writable"
            yield f"CREATE VIEW {self.updatable} AS SELECT * FROM {self.name}"

    def create_partitions(self, columns, dice):
        """Its partitions; one of them was a table before, with the columns in another order."""
        name = self.name
        if self.part == "range":
            bounds = {"0": "FOR VALUES FROM (0) TO (2)", "1": "FOR VALUES FROM (2) TO (4)", "rest": "DEFAULT"}
        else:
            bounds = {"0": "FOR VALUES IN (0, 1)", "1": "FOR VALUES IN (2)", "rest": "DEFAULT"}
        attached = dice.choice(["1", "rest"]) if dice.random() < 0.5 else None
        for part, bound in bounds.items():
            self.relations.append(f"{name}_{part}")
            if part == attached:
                other = [column for column in columns if not column.startswith("gone ")]
                dice.shuffle(other)
                if self.dropped:
                    other.append("gone integer")
                yield f"CREATE TABLE {name}_{part} ({', '.join(other)})"
                yield f"ALTER TABLE {name} ATTACH PARTITION {name}_{part} {bound}"
            elif part == "0" and self.part == "deep":
                by = dice.choice(["RANGE (p)", f"HASH ({self.key_columns})"])
                yield f"CREATE TABLE {name}_0 PARTITION OF {name} {bound} PARTITION BY {by}"
                leaves = (["FROM (0) TO (1)", "FROM (1) TO (2)"] if by == "RANGE (p)" else
                          ["WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)"])
                for number, leaf in enumerate(leaves):
                    self.relations.append(f"{name}_0_{number}")
                    yield f"CREATE TABLE {name}_0_{number} PARTITION OF {name}_0 FOR VALUES {leaf}"
            else:
                yield f"CREATE TABLE {name}_{part} PARTITION OF {name} {bound}"

    def create_members(self, columns, dice):
        """Tables that inherit from it, each with a key; one of them was a table before, with the columns in another order."""
        name = self.name
        other = [column for column in columns if not column.startswith("gone ")]
        dice.shuffle(other)
        for member, body in (("0", f"(extra text) INHERITS ({name})"), ("0_0", f"(more integer) INHERITS ({name}_0)"),
                             ("1", f"({', '.join(other)}, extra integer)")):
            self.relations.append(f"{name}_{member}")
            yield f"CREATE TABLE {name}_{member} {body}"
            yield f"ALTER TABLE {name}_{member} ADD PRIMARY KEY ({self.key_columns})"
        yield f"ALTER TABLE {name}_1 INHERIT {name}"

    def create_references(self, dice):
        """Its foreign keys."""
        def actions():
            return (f" ON DELETE {dice.choice(['CASCADE', 'CASCADE', 'SET NULL', 'NO ACTION'])}"
                    f" ON UPDATE {dice.choice(['CASCADE', 'CASCADE', 'SET NULL'])}"
                    f"{dice.choice(['', '', ' DEFERRABLE INITIALLY DEFERRED'])}")
        if self.self_reference:
            yield (f"ALTER TABLE {self.name} ADD FOREIGN KEY (ref)"
                   f" REFERENCES {self.name} ({self.key_columns})" + actions())
        if self.parent:
            columns = ", ".join("f" + column for column, *_ in self.parent.key)
            yield (f"ALTER TABLE {self.name} ADD FOREIGN KEY ({columns})"
                   f" REFERENCES {self.parent.name} ({self.parent.key_columns})" + actions())

    def raw_key(self, i, dice):
        """The key's columns for the number i, as texts."""
        return [value(i, dice) for _, _, value in self.key]

    def where_key(self, i, dice, alias=""):
        """A condition on the key."""
        return " AND ".join(f"{alias}{column} = {quote(raw)}" for (column, *_), raw
                            in zip(self.key, self.raw_key(i, dice)))

    def row(self, i, dice, typed=False):
        """A row to insert, as a list in SQL."""
        values = [*map(quote, self.raw_key(i, dice)), *(value(dice) for _, value in self.columns.values())]
        if typed:
            kinds = [kind for _, kind, _ in self.key] + [kind for kind, _ in self.columns.values()]
            values = [f"CAST({value} AS {kind.split(' COLLATE')[0]})" for value, kind in zip(values, kinds)]
        return ", ".join(values)

    def everything_below(self):
        """The tables that TRUNCATE ... CASCADE reaches."""
        return [self, *(table for child in self.children for table in child.everything_below())]


class LogWrites(Statements):
    """Makes statements on such tables."""

    def target(self, table):
        """Mostly the table itself."""
        if table.updatable and self.dice.random() < 0.2:
            return table.updatable
        return self.merge_target(table)

    def merge_target(self, table):
        """The table itself, or a part of it."""
        return self.dice.choice(table.relations) if self.dice.random() < 0.4 else table.name

    def columns(self, table):
        """All but generated ones and serials."""
        return table.written

    def key(self, table):
        """The key's columns."""
        return [column for column, *_ in table.key]

    def number(self):
        """The number of a random key."""
        return self.dice.randrange(KEYS)

    def rows(self, table, number):
        """Often of consecutive keys."""
        first = self.number()
        numbers = [(first + i) % KEYS if self.dice.random() < 0.9 else self.number() for i in range(number)]
        return ", ".join(f"({table.row(i, self.dice)})" for i in dict.fromkeys(numbers))

    def source(self, table):
        """Of different keys."""
        return ", ".join(f"({table.row(i, self.dice, typed=True)})"
                         for i in dict.fromkeys(self.number() for _ in range(5)))

    def condition(self, table):
        """A random condition: few rows, some, all."""
        dice = self.dice
        kind = dice.randrange(10)
        if kind < 5:
            return table.where_key(self.number(), dice)
        if kind < 7:
            return " OR ".join(f"({table.where_key(self.number(), dice)})" for _ in range(3))
        if kind < 9:
            return f"n % {dice.choice([2, 3, 5])} = {dice.randrange(3)}"
        return dice.choice(["true", "n IS NULL", "false", "n > 10"])

    def change(self, table):
        """A random change of a row."""
        dice = self.dice
        kind = dice.randrange(12)
        column = dice.choice(list(table.columns))
        if kind < 4:
            return f"n = {dice.choice(['n + 1', 'coalesce(n, 0) + 1', 'NULL', 'n % 10', '20 - n'])}"
        if kind < 7:
            return f"{column} = {table.columns[column][1](dice)}"
        if kind < 9:
            return f"{column} = {column}"  # no change
        if kind == 9:
            return f"({table.key_columns}) = ROW ({table.key_columns})"
        column, _, value = dice.choice(table.key)
        return f"{column} = {quote(value(self.number(), dice))}"

    def some(self, _table, alias):
        """By the number that all tables have."""
        return f"{alias}.n % {self.dice.choice([2, 3, 5])} = {self.dice.randrange(3)}"

    def conflict_change(self, _table):
        """Of the number."""
        return f"n = {self.dice.choice(['EXCLUDED.n', 'EXCLUDED.n + 1', '99'])}"

    def merge_change(self, table):
        """Of the number, or of the partition."""
        if table.part and self.dice.random() < 0.3:
            return f"p = {self.dice.choice([0, 1, 2, 3, 9])}"
        return self.dice.choice(["n = s.n", "n = t.n + 1", "n = t.n"])

    def replaced(self, _table):
        """The number, which may stay as it is."""
        return "n", self.dice.choice(["n", "n + 1", "NULL"])

    def new_key(self, table):
        """A column of the key, and a value."""
        column, _, value = self.dice.choice(table.key)
        return column, quote(value(self.number(), self.dice))

    def other(self, table):
        """The table itself, or one that refers to it."""
        return self.dice.choice([table, *table.children])

    def swap(self, table):
        """Two keys swapped."""
        dice = self.dice
        one, two = self.number(), self.number()

        def to(i):
            keys = dict(zip((column for column, *_ in table.key), table.raw_key(i, dice)))
            return ", ".join(f"{column} = {quote(raw)}" for column, raw in keys.items())
        there = table.where_key(KEYS + 1, random.Random(1))
        away = ", ".join(f"{column} = {quote(raw)}" for (column, *_), raw
                         in zip(table.key, table.raw_key(KEYS + 1, random.Random(1))))
        return (f"DO $$ BEGIN UPDATE {table.name} SET {away} WHERE {table.where_key(one, dice)};"
                f" UPDATE {table.name} SET {to(one)} WHERE {table.where_key(two, dice)};"
                f" UPDATE {table.name} SET {to(two)} WHERE {there}; END $$")

    def calling(self, table):
        """A function that changes the table, called by a statement on it."""
        dice = self.dice
        call = f"{table.name}_{dice.choice(['poke', 'replace', 'remove'])}(n)"
        return dice.choice([
            f"UPDATE {table.name} SET n = {call} WHERE {self.condition(table)}",
            f"UPDATE {table.name} SET n = n + 1 WHERE {call} > 5 AND ({self.condition(table)})",
            f"DELETE FROM {table.name} WHERE {call} > 12 AND ({self.condition(table)})",
            f"SELECT {call} FROM {table.name} WHERE {self.condition(table)}",
            f"INSERT INTO {table.name} ({table.all_columns}) SELECT "
            + table.row(self.number(), dice) + f" FROM (SELECT {table.name}_poke(1)) AS _",
        ])

    def joined(self, table):
        """UPDATE by a join of the table with itself."""
        return (f"UPDATE {table.name} AS t SET n = u.n FROM {table.name} AS u"
                f" WHERE {self.same_row(table, 't', 'u')} AND u.n > {self.dice.randrange(20)}")

    def any(self, table):
        """One of all these."""
        return self.dice.choices(
            [self.simple, self.replace, self.both, self.swap, self.caught, self.loop, self.cursor, self.calling,
             self.copied, self.joined], [20, 4, 6, 2, 2, 2, 2, 4, 1, 1])[0](table)


def functions(table):
    """The functions that change a table when they are called."""
    name = table.name
    for function, body in (
            ("poke", f"UPDATE {name} SET n = coalesce(n, 0) + 1 WHERE n % 5 = i % 5;"),
            ("replace", f"WITH gone AS (DELETE FROM {name} WHERE n % 7 = i % 7 RETURNING *)"
                        f" INSERT INTO {name} ({table.all_columns}) SELECT {table.all_columns} FROM gone;"),
            ("remove", f"DELETE FROM {name} WHERE n = i + 1;")):
        yield (f"CREATE FUNCTION {name}_{function}(i integer) RETURNS integer LANGUAGE plpgsql"
               f" AS $$ BEGIN {body} RETURN i + 1; END $$")
