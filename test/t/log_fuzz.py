#!/usr/bin/python3
"""Tests the change log on random transactions.

A scenario makes random tables, most of them nasty, and tracked views that are
copies of them. Sessions then write at random, driven from one thread, so that
a scenario is the same each time. Now and then a view is refreshed, its table
copied in the same transaction, and later the old table rebuilt from the present
one and refresh_mv.changes(): that must give the copy. "Everything may have
changed" counts as an answer only if something has happened that justifies it.

log_fuzz.py [--seed N [COUNT]]: the scenario N only, or COUNT from there on.
TEST_LONG=1 runs at least 5000 such windows.
"""
import argparse
import collections
import hashlib
import io
import os
import random
import sys
import time

import psycopg2
from psycopg2 import errorcodes, extensions

DATABASE = "refresh_mv_log_fuzz"
WINDOWS = 5000 if os.environ.get("TEST_LONG") else 400
KEYS = 24          # different keys of a table
WRITERS = 4
STEPS = (40, 160)  # of a scenario
SETTINGS = "-c lock_timeout=5ms -c statement_timeout=20s -c client_min_messages=error"
SETUP = """
    CREATE EXTENSION refresh_mv;
    CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE UNLOGGED TABLE copies (view text, r text);
    CREATE INDEX ON copies (view);
    -- text of some length that does not compress
    CREATE FUNCTION noise(seed integer, length integer) RETURNS text IMMUTABLE LANGUAGE sql
        AS $$ SELECT string_agg(md5(seed || '/' || i), '') FROM generate_series(1, length / 32) AS i $$;
"""
# What may go wrong with a statement that fits no better than random ones do.
EXPECTED = {
    errorcodes.UNIQUE_VIOLATION, errorcodes.FOREIGN_KEY_VIOLATION, errorcodes.NOT_NULL_VIOLATION,
    errorcodes.CHECK_VIOLATION, errorcodes.LOCK_NOT_AVAILABLE, errorcodes.SERIALIZATION_FAILURE,
    errorcodes.TRIGGERED_DATA_CHANGE_VIOLATION, errorcodes.CARDINALITY_VIOLATION,
    errorcodes.NUMERIC_VALUE_OUT_OF_RANGE, errorcodes.DIVISION_BY_ZERO,
    errorcodes.IN_FAILED_SQL_TRANSACTION,
    errorcodes.INVALID_CURSOR_STATE,  # WHERE CURRENT OF on a partition that was pruned
    errorcodes.OBJECT_IN_USE,       # TRUNCATE with pending trigger events
    errorcodes.FEATURE_NOT_SUPPORTED,  # a BEFORE trigger may not move a row to another partition
}


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


class Wrong(Exception):
    """The test has failed."""


class Table:
    """A table or partition tree with what is needed to write to it at random."""

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
        self.relations = [name]  # that can be written to: the root, and parts of it
        self.updatable = None    # a view that can be written to
        self.refuses = False     # does a trigger refuse rows?
        self.detached = None     # a partition that is or was detached

    @property
    def key_columns(self):
        """The key's columns, as a list in SQL."""
        return ", ".join(column for column, *_ in self.key)

    @property
    def all_columns(self):
        """The columns to insert into, as a list in SQL."""
        return ", ".join([self.key_columns, *self.columns])

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

    def same_key(self, one, two):
        """A condition: two rows have the same key."""
        return " AND ".join(f"{one}.{column} = {two}.{column}" for column, *_ in self.key)

    def everything_below(self):
        """The tables that TRUNCATE ... CASCADE reaches."""
        return [self, *(table for child in self.children for table in child.everything_below())]


class Statements:
    """Makes random statements on a table."""

    def __init__(self, table, dice):
        self.table = table
        self.dice = dice

    def relation(self, view=True):
        """What to write to: mostly the table itself."""
        table, dice = self.table, self.dice
        if view and table.updatable and dice.random() < 0.2:
            return table.updatable
        return dice.choice(table.relations) if dice.random() < 0.4 else table.name

    def number(self):
        """The number of a random key."""
        return self.dice.randrange(KEYS)

    def condition(self):
        """A random condition: few rows, some, all."""
        table, dice = self.table, self.dice
        kind = dice.randrange(10)
        if kind < 5:
            return table.where_key(self.number(), dice)
        if kind < 7:
            return " OR ".join(f"({table.where_key(self.number(), dice)})" for _ in range(3))
        if kind < 9:
            return f"n % {dice.choice([2, 3, 5])} = {dice.randrange(3)}"
        return dice.choice(["true", "n IS NULL", "false", "n > 10"])

    def assignment(self):
        """A random change of a row."""
        table, dice = self.table, self.dice
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

    def values(self):
        """Rows for VALUES; often of consecutive keys."""
        first, count = self.number(), self.dice.choice([1, 1, 2, 3, 6])
        numbers = [(first + i) % KEYS if self.dice.random() < 0.9 else self.number() for i in range(count)]
        return ", ".join(f"({self.table.row(i, self.dice)})" for i in dict.fromkeys(numbers))

    def insert(self, relation=None):
        """INSERT, with or without ON CONFLICT."""
        table, dice = self.table, self.dice
        relation = relation or self.relation()
        arbiter = f"({table.key_columns})" if dice.random() < 0.7 or relation == table.updatable else ""
        conflict = dice.choice(["", " ON CONFLICT DO NOTHING", f" ON CONFLICT {arbiter} DO NOTHING"])
        if dice.random() < 0.3:
            conflict = (f" ON CONFLICT ({table.key_columns}) DO UPDATE SET"
                        f" n = {dice.choice(['EXCLUDED.n', 'EXCLUDED.n + 1', '99'])}")
            if dice.random() < 0.2:
                conflict += " WHERE EXCLUDED.n % 2 = 0"
        return f"INSERT INTO {relation} ({table.all_columns}) VALUES {self.values()}{conflict}"

    def update(self):
        """UPDATE."""
        return f"UPDATE {self.relation()} SET {self.assignment()} WHERE {self.condition()}"

    def delete(self):
        """DELETE."""
        return f"DELETE FROM {self.relation()} WHERE {self.condition()}"

    def simple(self):
        """A plain statement."""
        return self.dice.choice([self.insert, self.insert, self.update, self.update, self.delete])()

    def reinsert(self):
        """A key deleted and inserted again, by one statement."""
        table, dice = self.table, self.dice
        n = dice.choice(["n", "n + 1", "NULL"])
        columns = ", ".join(n if column == "n" else column for column in table.all_columns.split(", "))
        return (f"WITH gone AS (DELETE FROM {self.relation()} WHERE {self.condition()} RETURNING *)"
                f" INSERT INTO {self.relation()} ({table.all_columns}) SELECT {columns} FROM gone")

    def both(self):
        """Two changes of one table, or of two, by one statement."""
        other = Statements(self.dice.choice([self.table, *self.table.children]), self.dice)
        return (f"WITH one AS ({self.simple()} RETURNING 1), two AS ({other.simple()} RETURNING 1)"
                " SELECT count(*) FROM one FULL JOIN two ON true")

    def swap(self):
        """Two keys swapped."""
        table, dice = self.table, self.dice
        one, two = self.number(), self.number()

        def to(i):
            keys = dict(zip((column for column, *_ in table.key), table.raw_key(i, dice)))
            return ", ".join(f"{column} = {quote(raw)}" for column, raw in keys.items())
        there = table.where_key(KEYS + 1, random.Random(1))
        away = ", ".join(f"{column} = {quote(raw)}" for (column, *_), raw
                         in zip(table.key, table.raw_key(KEYS + 1, random.Random(1))))
        return self.block([f"UPDATE {table.name} SET {away} WHERE {table.where_key(one, dice)}",
                           f"UPDATE {table.name} SET {to(one)} WHERE {table.where_key(two, dice)}",
                           f"UPDATE {table.name} SET {to(two)} WHERE {there}"])

    @staticmethod
    def block(statements):
        """A DO block."""
        return f"DO $$ BEGIN {' '.join(statement + ';' for statement in statements)} END $$"

    def caught(self):
        """Subtransactions in PL/pgSQL, one of them rolled back."""
        return ("DO $$ BEGIN " + self.simple() + "; BEGIN " + self.simple() + "; " + self.simple() + ";"
                + " PERFORM 1 / (txid_current() - txid_current());"
                + " EXCEPTION WHEN OTHERS THEN " + self.simple() + "; END;"
                + " BEGIN " + self.simple() + "; EXCEPTION WHEN OTHERS THEN NULL; END; END $$")

    def loop(self):
        """Rows that are inserted or changed while a loop fetches them."""
        what = self.dice.choice([self.insert, self.update, self.delete])()
        body = self.dice.choice(["EXIT;", self.simple() + ";", "NULL;"])
        return f"DO $$ DECLARE r record; BEGIN FOR r IN {what} RETURNING * LOOP {body} END LOOP; END $$"

    def limited(self):
        """A statement that its caller ends after some rows."""
        what = self.dice.choice([self.insert, self.update, self.delete])() + " RETURNING 1"
        return f"DO LANGUAGE plpython3u $$ plpy.execute({what!r}, {self.dice.randrange(1, 4)}) $$"

    def cursor(self):
        """UPDATE and DELETE by WHERE CURRENT OF."""
        table = self.table
        what = self.dice.choice([f"UPDATE {table.name} SET {self.assignment()}", f"DELETE FROM {table.name}"])
        return (f"DO $$ DECLARE c CURSOR FOR SELECT * FROM {table.name} WHERE {self.condition()} FOR UPDATE;"
                f" BEGIN FOR r IN c LOOP {what} WHERE CURRENT OF c; END LOOP; END $$")

    def calling(self):
        """A function that changes the table, called by a statement on it."""
        table, dice = self.table, self.dice
        call = f"{table.name}_{dice.choice(['poke', 'replace', 'remove'])}(n)"
        return dice.choice([
            f"UPDATE {table.name} SET n = {call} WHERE {self.condition()}",
            f"UPDATE {table.name} SET n = n + 1 WHERE {call} > 5 AND ({self.condition()})",
            f"DELETE FROM {table.name} WHERE {call} > 12 AND ({self.condition()})",
            f"SELECT {call} FROM {table.name} WHERE {self.condition()}",
            f"INSERT INTO {table.name} ({table.all_columns}) SELECT "
            + table.row(self.number(), dice) + f" FROM (SELECT {table.name}_poke(1)) AS _",
        ])

    def from_itself(self):
        """INSERT ... SELECT, and UPDATE by a join."""
        table, dice = self.table, self.dice
        column, kind, value = dice.choice(table.key)
        values = ", ".join(quote(value(self.number(), dice)) if name == column else name
                           for name in table.all_columns.split(", "))
        return dice.choice([
            f"INSERT INTO {self.relation()} ({table.all_columns}) SELECT {values} FROM {table.name}"
            f" WHERE {self.condition()} ON CONFLICT DO NOTHING",
            f"UPDATE {table.name} AS t SET n = u.n FROM {table.name} AS u"
            f" WHERE {table.same_key('t', 'u')} AND u.n > {dice.randrange(20)}",
        ])

    def merge(self):
        """MERGE; says whether it may move rows between partitions."""
        table, dice = self.table, self.dice
        columns = table.all_columns.split(", ")
        moves = table.part is not None and dice.random() < 0.3
        change = (f"p = {dice.choice([0, 1, 2, 3, 9])}" if moves else
                  dice.choice(["n = s.n", "n = t.n + 1", "n = t.n"]))
        relation = dice.choice(table.relations) if dice.random() < 0.4 else table.name
        actions = dice.sample([f"WHEN MATCHED AND t.n % 3 = {dice.randrange(3)} THEN DELETE",
                               f"WHEN MATCHED AND s.n % 2 = 0 THEN UPDATE SET {change}",
                               f"WHEN NOT MATCHED AND s.n % 5 > {dice.randrange(4)} THEN INSERT"
                               f" ({table.all_columns}) VALUES ({', '.join('s.' + column for column in columns)})"],
                              dice.randrange(1, 4))
        rows = ", ".join(f"({table.row(i, dice, typed=True)})"
                         for i in dict.fromkeys(self.number() for _ in range(5)))
        return (f"MERGE INTO {relation} AS t USING (VALUES {rows}) AS s ({table.all_columns})"
                f" ON {table.same_key('t', 's')} {' '.join(actions)}", moves)

    def random(self):
        """A random statement."""
        kind = self.dice.choices(
            [self.simple, self.reinsert, self.both, self.swap, self.caught, self.loop, self.cursor,
             self.calling, self.from_itself], [10, 2, 3, 1, 1, 1, 1, 2, 1])[0]
        return kind()


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


def trigger(table, number, dice):
    """A trigger that makes life hard for those that log changes."""
    name = table.name
    other = f"NOT ({table.same_key('t', 'r')})"
    events = " OR ".join(dice.sample(["INSERT", "UPDATE", "DELETE"], dice.randrange(1, 4)))
    columns = table.all_columns
    values = ", ".join("r." + column for column in columns.split(", "))
    when, level, body = dice.choice([
        ("BEFORE", "ROW", f"UPDATE {name} AS t SET n = n + 1 WHERE n % 7 = r.n % 7 AND {other};"),
        ("BEFORE", "ROW", f"DELETE FROM {name} AS t WHERE n = r.n + 1 AND {other};"),
        ("BEFORE", "ROW", f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {name} AS t"
                          f" WHERE n = r.n AND {other} ON CONFLICT ({table.key_columns}) DO UPDATE SET n = 3;"),
        ("BEFORE", "ROW", "IF r.n % 5 = 2 THEN RETURN NULL; END IF;"),
        ("BEFORE", "ROW", "r.n := r.n + 1;"),
        ("AFTER", "ROW", f"DELETE FROM {name} AS t WHERE {table.same_key('t', 'r')};"
                         f" INSERT INTO {name} ({columns}) VALUES ({values});"),
        ("AFTER", "ROW", f"IF TG_OP = 'DELETE' AND r.n % 2 = 0 THEN"
                         f" INSERT INTO {name} ({columns}) VALUES ({values}); END IF;"),
        ("AFTER", "ROW", f"UPDATE {name} AS t SET n = n + 1 WHERE {table.same_key('t', 'r')} OR n = 4;"),
        ("AFTER", "STATEMENT", f"UPDATE {name} SET n = n + 1 WHERE n % 4 = 0;"),
        ("AFTER", "STATEMENT", f"DELETE FROM {name} WHERE n = 13;"),
        ("BEFORE", "STATEMENT", f"UPDATE {name} SET n = n + 1 WHERE n % 6 = 1;"),
        ("CONSTRAINT", "ROW", f"UPDATE {name} AS t SET n = n + 1 WHERE n % 9 = 1;"),
    ])
    table.refuses |= "RETURN NULL" in body
    function = f"{name}_trigger_{number}"
    yield f"""CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE r record;
        BEGIN
            IF TG_LEVEL = 'ROW' THEN
                IF TG_OP = 'DELETE' THEN r := OLD; ELSE r := NEW; END IF;
            END IF;
            IF pg_trigger_depth() <= {dice.choice([1, 1, 2])} THEN
                {body}
            END IF;
            IF TG_LEVEL = 'ROW' THEN
                RETURN r;
            END IF;
            RETURN NULL;
        END $$"""
    if when == "CONSTRAINT":
        yield (f"CREATE CONSTRAINT TRIGGER {dice.choice('az')}{number} AFTER {events} ON {name}"
               f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {function}()")
    else:
        yield (f"CREATE TRIGGER {dice.choice('az')}{number} {when} {events} ON {name}"
               f" FOR EACH {level} EXECUTE FUNCTION {function}()")


class View:
    """A tracked view and what is known of it."""

    def __init__(self, name, query, tables, source=None, *, keyless=False, on_commit=False):
        self.name = name
        self.query = query
        self.tables = tables    # that it reads
        self.source = source    # the relation whose changes are checked, if any
        self.keyless = keyless  # it is a materialized view
        self.on_commit = on_commit
        self.unknown = []       # (time, why) of what makes its changes unknown since its baseline
        self.writes = 0         # statements since then or since its last check


class Session:
    """A connection, and what its open transaction will have done to the views if it commits."""

    def __init__(self, scenario, name):
        self.scenario = scenario
        self.name = name
        self.connection = psycopg2.connect(dbname=DATABASE, options=SETTINGS)
        self.connection.autocommit = True
        self.pid = self.connection.info.backend_pid
        self.clear()

    def clear(self):
        """No transaction is open."""
        self.effects = []     # ("unknown", table, why, None) or ("baseline", view, None, time)
        self.savepoints = []  # (name, number of effects then)
        self.snapshot = None  # the time of the transaction's snapshot, if it keeps one
        self.limited = False  # has a statement been ended by its caller?

    @property
    def status(self):
        """Of the transaction."""
        return self.connection.info.transaction_status

    @property
    def idle(self):
        """No transaction is open."""
        return self.status == extensions.TRANSACTION_STATUS_IDLE

    @property
    def failed(self):
        """The open transaction has failed."""
        return self.status == extensions.TRANSACTION_STATUS_INERROR

    def execute(self, sql, copy=None, also=None):
        """Runs a statement; returns its rows, True, or None if it failed in an expected way, or with
        the SQLSTATE also."""
        self.scenario.note(self, sql if copy is None else sql + "\n" + copy + "\\.")
        with self.connection.cursor() as cursor:
            try:
                if copy is None:
                    cursor.execute(sql)
                else:
                    cursor.copy_expert(sql, io.StringIO(copy))
            except psycopg2.Error as error:
                self.scenario.note(self, f"-- {error.pgcode} {str(error).splitlines()[0]}", comment=True)
                self.scenario.errors[error.pgcode] += 1
                if error.pgcode not in EXPECTED and error.pgcode != also and not self.tolerable(error):
                    raise Wrong(f"{self.name}: {error.pgcode} {error}") from error
                self.error = error
                return None
            self.message = cursor.statusmessage
            return cursor.fetchall() if cursor.description else True

    @staticmethod
    def tolerable(error):
        """What core raises as an internal error, with no extension in sight."""
        return error.pgcode == errorcodes.INTERNAL_ERROR and "self-updated tuple" in str(error)

    def write(self, sql, unknown=(), copy=None):
        """Runs a statement that changes tables; unknown: what it makes unknown, as (table, why)."""
        if self.status == extensions.TRANSACTION_STATUS_INTRANS and self.snapshot == "next":
            self.snapshot = self.scenario.tick()
        if self.execute(sql, copy) is not None:
            self.effects += [("unknown", table, why, None) for table, why in unknown]
        if self.idle:
            self.committed()

    def committed(self):
        """Does to the views what the transaction has done to them."""
        self.scenario.apply(self.effects)
        self.clear()

    def begin(self, level):
        """Starts a transaction."""
        self.execute(f"BEGIN ISOLATION LEVEL {level}")
        self.clear()
        self.snapshot = None if level == "READ COMMITTED" else "next"

    def end(self, command):
        """COMMIT or ROLLBACK; True if it was committed."""
        result = self.execute(command)
        done = result is not None and self.message == "COMMIT"
        if not self.idle:
            self.execute("ROLLBACK")
        if done:
            self.committed()
        self.clear()
        return done

    def prepare(self, name):
        """PREPARE TRANSACTION; returns the effects, or None if that failed."""
        effects = self.effects
        done = self.execute(f"PREPARE TRANSACTION '{name}'") is not None and self.message == "PREPARE TRANSACTION"
        if not self.idle:
            self.execute("ROLLBACK")
        self.clear()
        return effects if done else None

    def savepoint(self, name):
        """SAVEPOINT."""
        if self.execute(f"SAVEPOINT {name}"):
            self.savepoints.append((name, len(self.effects)))

    def rollback_to(self, number):
        """ROLLBACK TO one of the savepoints."""
        name, effects = self.savepoints[number]
        if self.execute(f"ROLLBACK TO {name}"):
            del self.savepoints[number + 1:]
            del self.effects[effects:]

    def release(self, number):
        """RELEASE of one of the savepoints."""
        if self.execute(f"RELEASE {self.savepoints[number][0]}"):
            del self.savepoints[number:]


class Scenario:
    """Tables, views and sessions, and all that happens to them."""

    def __init__(self, seed, features):
        self.seed = seed
        self.dice = random.Random(f"log_fuzz {seed}")
        self.features = features
        self.history = []
        self.time = 0
        self.counts = collections.Counter()
        self.errors = collections.Counter()
        self.prepared = {}  # effects by name
        self.was_prepared = False
        self.sessions = []
        self.tables = []
        self.views = []

    # ------------------------------------------------------------ bookkeeping

    def tick(self):
        """A new moment."""
        self.time += 1
        return self.time

    def note(self, session, sql, comment=False):
        """Adds to the history."""
        self.history.append(f"{sql}" if comment else f"/* {session.name} */ {sql};")

    def apply(self, effects):
        """A transaction has been committed."""
        now = self.tick()
        for kind, what, why, time_of in effects:
            for view in self.views:
                if kind == "unknown" and (what is view or what in view.tables):
                    view.unknown.append((now, why))
                elif kind == "baseline" and what is view:
                    # what others have committed since the baseline's snapshot is new to it
                    view.unknown = [(at, why) for at, why in view.unknown if time_of < at < now]
        for view in self.views:
            view.writes += 1

    def unknown(self, view, session):
        """Why a view's changes may be unknown, as a session sees it."""
        reasons = [why for _, why in view.unknown]
        if view.source and view.source == view.tables[0].detached:
            reasons.append("tracking goes on when no writer is in the way")
        for kind, what, why, _ in session.effects:
            if kind == "unknown" and (what is view or what in view.tables):
                reasons.append(why)
            elif kind == "baseline" and what is view:
                reasons = []
        return reasons

    # ------------------------------------------------------------------ setup

    def create(self):
        """Makes everything."""
        dice = self.dice
        for number in range(2):
            parent = self.tables[0] if number and dice.random() < 0.7 else None
            table = Table(f"t{number}", dice, parent)
            if parent:
                parent.children.append(table)
            self.tables.append(table)
        self.admin = Session(self, "admin")
        self.must("SET lock_timeout = '10s'",  # enough for an autovacuum to end
                  "DROP SCHEMA IF EXISTS fuzz CASCADE", "CREATE SCHEMA fuzz",
                  "TRUNCATE copies, refresh_mv.journal, refresh_mv.settings")
        self.sessions = [Session(self, f"w{number}") for number in range(WRITERS)] + [self.admin]
        self.checker = Session(self, "checker")
        for session in [*self.sessions, self.checker]:
            session.execute("SET search_path = fuzz, public")
        for table in self.tables:
            self.must(*table.create(dice))
        for table in self.tables:
            for i in dice.sample(range(KEYS), KEYS // 2):
                self.admin.execute(f"INSERT INTO {table.name} ({table.all_columns}) VALUES ({table.row(i, dice)})"
                                   " ON CONFLICT DO NOTHING")
            self.must(*functions(table))
            for number in range(dice.choice([0, 0, 1, 1, 2])):
                self.must(*trigger(table, number, dice))
        self.create_views()
        self.admin.execute("RESET lock_timeout")
        self.writers = self.sessions[:WRITERS]
        if dice.random() < 0.1:  # any larger statement of this session makes the changes unknown
            self.coarse = dice.choice(self.writers)
            self.coarse.execute("SET refresh_mv.max_logged_rows = 3")
        else:
            self.coarse = None

    def must(self, *statements):
        """Runs statements that may not fail."""
        for statement in statements:
            if self.admin.execute(statement) is None:
                raise Wrong(f"{statement} failed: {self.admin.error}")

    def create_views(self):
        """Makes and tracks the views."""
        dice = self.dice
        for table in self.tables:
            sources = [table.name, *dice.sample(table.relations, min(len(table.relations), 2))]
            for number, source in enumerate(sources):
                self.views.append(View(f"v{number}_{source}", f"SELECT * FROM {source}", [table], source))
        one, two = self.tables
        self.views.append(View("sums", f"SELECT n % 3 AS m, count(*), sum(n) FROM {one.name} GROUP BY 1", [one]))
        self.views.append(View("joined", f"SELECT t.n, u.n AS m FROM {one.name} AS t JOIN {two.name} AS u"
                                         " ON t.n % 4 = u.n % 4 LEFT JOIN t0 AS s ON s.n = u.n", [one, two]))
        lower = self.views[0].name
        self.views.append(View("of_view", f"SELECT * FROM {lower}", [one], lower, keyless=True))
        if dice.random() < 0.1:
            self.views.append(View("live", f"SELECT n % 3 AS m, count(*) FROM {one.name} GROUP BY 1", [one],
                                   on_commit=True))
        for view in self.views:
            self.must(f"CREATE MATERIALIZED VIEW {view.name} AS {view.query}")
            rows = self.admin.execute(f"SELECT tracked, reason FROM refresh_mv.track('{view.name}', {view.on_commit})")
            if not rows or not rows[0][0]:
                raise Wrong(f"{view.name} is not tracked: {rows}")
        for view in self.views:
            if not view.on_commit and not self.refresh(self.admin, [view]):
                raise Wrong(f"{view.name} cannot be refreshed")

    # -------------------------------------------------------------- refreshes

    def refresh(self, session, views, command="smart", expected=None):
        """Refreshes views in a transaction of its own or in the session's, and copies their tables."""
        own = session.idle
        if own:
            session.begin(self.dice.choice(["REPEATABLE READ", "REPEATABLE READ", "READ COMMITTED"]))
        at = self.time if session.snapshot in (None, "next") else session.snapshot
        session.snapshot = at if session.snapshot == "next" else session.snapshot
        refreshed = self.refresh_now(session, views, command, expected)
        if refreshed is None or not self.copy_tables(session, refreshed):
            session.end("ROLLBACK")
            return False
        session.effects += [("baseline", view, None, at) for view in refreshed]
        return (not own or session.end("COMMIT")) and refreshed == views

    def refresh_now(self, session, views, command, expected):
        """Refreshes; returns the views for which that worked, None if the transaction has failed."""
        names = ", ".join(view.name for view in views)
        function = {"smart": "refresh_materialized_views_smart(",
                    "full": "refresh_materialized_views(views => "}[command]
        rows = session.execute(f"SELECT success, message FROM {function}'{{{names}}}')")
        if not rows:
            return None
        done = self.outcomes(session, command, expected)
        if rows[0][0] != (len(done) == len(views)):
            raise Wrong(f"the refresh says {rows}, the history {done}")
        return [view for view in views if view.name in done]

    def outcomes(self, session, command, expected=None):
        """Looks at what the last run did; returns the names of the views that it has refreshed."""
        done = []
        for name, method, success, sqlstate, message, reason in session.execute(
                "SELECT split_part(view, '.', 2), method, success, sqlstate, message, reason FROM refresh_mv.history"
                " WHERE run = (SELECT max(run) FROM refresh_mv.history)"):
            self.note(session, f"-- {name}: {method}, {success}, {sqlstate}, {message}, {reason}", comment=True)
            if not success:
                if not (sqlstate in (errorcodes.SERIALIZATION_FAILURE, errorcodes.LOCK_NOT_AVAILABLE)
                        or message.startswith("upstream failed")
                        or sqlstate == errorcodes.OBJECT_IN_USE and session.limited):
                    raise Wrong(f"refresh of {name} failed: {sqlstate} {message}")
                self.counts["refresh failed " + sqlstate] += 1
                continue
            self.counts[method] += 1
            if method == "skip" and command == "full":
                raise Wrong(f"{name} was to be refreshed in full, not by {method}")
            if expected and method not in expected:
                raise Wrong(f"{name} was refreshed by {method} instead of {expected}: {reason}")
            if method != "none":
                done.append(name)
        return done

    @staticmethod
    def copy_tables(session, views):
        """Copies the views' tables; True if that worked."""
        for view in views:
            if view.source and not session.execute(
                    f"DELETE FROM copies WHERE view = '{view.name}';"
                    f" INSERT INTO copies SELECT '{view.name}', whole::text FROM {view.source} AS whole"):
                return False
            view.writes = 0
        return True

    def compare(self, session, view):
        """The view must be what its query gives."""
        rows = session.execute(f"""
            WITH new AS MATERIALIZED (SELECT whole::text FROM ({view.query}) AS whole),
                 here AS MATERIALIZED (SELECT whole::text FROM {view.name} AS whole)
            SELECT ARRAY(TABLE new EXCEPT ALL TABLE here), ARRAY(TABLE here EXCEPT ALL TABLE new)""")
        if rows and rows != [([], [])]:
            raise Wrong(f"{view.name} lacks {rows[0][0]} and has {rows[0][1]} too many")
        self.counts["compared"] += rows is not None

    # ----------------------------------------------------------------- checks

    def check(self, session, view):
        """Rebuilds a view's old table from the present one and the changes; returns what is known of
        the table: "unchanged", "changed", "perhaps changed", "unknown"; None if it could not be done."""
        source = view.source
        reasons = self.unknown(view, session)
        sql = self.rebuild_bag(view) if view.keyless else self.rebuild(view, session)
        rows = sql and session.execute(sql, also=errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE)
        if not rows:
            if session.error.pgcode != errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE:
                return None
            if not reasons:
                raise Wrong(f"the changes of {view.name} are unknown for no reason: {session.error}")
            self.counts["unknown"] += 1
            return "unknown"
        count, keys, missing, excess, changed, changes = rows[0]
        if missing or excess or count != keys:
            raise Wrong(f"{view.name}: the old {source} is not to be had from the changes\n  lacks: {missing}\n"
                        f"  too many: {excess}\n  changes: {changes}")
        if changed and not count:
            raise Wrong(f"{view.name} has no changes, {source} has")
        self.counts["windows"] += 1
        self.counts["empty windows"] += not count
        view.writes = 0
        return "changed" if changed else "perhaps changed" if count else "unchanged"

    @staticmethod
    def rebuild(view, session):
        """The query that rebuilds a view's old table; None if the table is locked. For a partition the
        changes of the whole tree are told, in the form of its root."""
        rows = session.execute(f"""
            WITH root AS (SELECT coalesce(pg_partition_root('{view.source}'), '{view.source}') AS root)
            SELECT root::text,
                   coalesce((SELECT 'whole.' || array_to_string(key, ', whole.') FROM refresh_mv.sources
                             WHERE relation = root), 'NULL'),
                   coalesce(pg_get_partition_constraintdef('{view.source}'::regclass), 'true'),
                   (SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
                    WHERE attrelid = '{view.source}'::regclass AND attnum > 0 AND NOT attisdropped)
            FROM root""")
        if not rows:
            return None
        root, key, bound, columns = rows[0]
        return f"""
            WITH c AS MATERIALIZED (SELECT key, old_row FROM refresh_mv.changes('{view.name}', '{view.source}')),
                 now AS MATERIALIZED (SELECT ROW({key})::text AS key, whole::text AS r FROM {view.source} AS whole),
                 old AS MATERIALIZED (SELECT r FROM now WHERE key NOT IN (SELECT key FROM c)
                                      UNION ALL SELECT whole::text FROM
                                          (SELECT {columns} FROM (SELECT (old_row::{root}).* FROM c
                                                                  WHERE old_row IS NOT NULL) AS _
                                           WHERE {bound}) AS whole),
                 base AS MATERIALIZED (SELECT r FROM copies WHERE view = '{view.name}')
            SELECT (SELECT count(*) FROM c), (SELECT count(DISTINCT key) FROM c),
                   ARRAY(TABLE base EXCEPT ALL TABLE old), ARRAY(TABLE old EXCEPT ALL TABLE base),
                   EXISTS (SELECT r FROM now EXCEPT ALL TABLE base) OR EXISTS (TABLE base EXCEPT ALL SELECT r FROM now),
                   ARRAY(SELECT c::text FROM c)"""

    @staticmethod
    def rebuild_bag(view):
        """The same where the source is a view, which has no key: of its changes we are told the rows
        that have gone."""
        return f"""
            WITH c AS MATERIALIZED (SELECT key, old_row FROM refresh_mv.changes('{view.name}', '{view.source}')),
                 now AS MATERIALIZED (SELECT whole::text AS r FROM {view.source} AS whole),
                 base AS MATERIALIZED (SELECT r FROM copies WHERE view = '{view.name}'),
                 gone AS MATERIALIZED (TABLE base EXCEPT ALL TABLE now),
                 come AS MATERIALIZED (TABLE now EXCEPT ALL TABLE base)
            SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM come),
                   (SELECT count(*) FROM gone) + (SELECT count(*) FROM come),
                   ARRAY(TABLE gone EXCEPT ALL SELECT old_row FROM c),
                   ARRAY(SELECT old_row FROM c EXCEPT ALL TABLE gone),
                   EXISTS (TABLE gone) OR EXISTS (TABLE come), ARRAY(SELECT c::text FROM c)"""

    def check_and_refresh(self, view):
        """Checks a view, then refreshes it, which must agree."""
        session = self.checker
        found = self.check(session, view) if view.source else None
        expected = None if found in (None, "unchanged", "perhaps changed") else (
            "full", "rebuild") if found == "unknown" else ("full", "rebuild", "keys", "delta")
        if self.refresh(session, [view], expected=expected):
            self.compare(session, view)

    def check_status(self):
        """The status must agree with the changes."""
        session = self.checker
        for name, stale, reason in session.execute("SELECT name, stale, unknown_reason FROM refresh_mv.status"
                                                   " WHERE schema = 'fuzz'") or ():
            view = next(view for view in self.views if view.name == name)
            if view.source and not self.unknown(view, session):
                if reason:
                    raise Wrong(f"{name} is unknown for no reason: {reason}")
                found = self.check(session, view)
                if found == "changed" and not stale:
                    raise Wrong(f"{name} has changes and is not stale")

    # ------------------------------------------------------------------ steps

    def write(self, session):
        """One statement of a writer."""
        dice = self.dice
        table = dice.choice(self.tables)
        statements = Statements(table, dice)
        unknown = [(table, "a session with a low limit") for table in self.tables if session is self.coarse]
        unknown += [(table, "transition tables lack generated columns, or rows were refused")
                    for table in self.tables if table.part and (table.generated or table.refuses)]
        kind = dice.random()
        if kind < 0.02:
            cascade = table.everything_below()
            session.write(f"TRUNCATE {dice.choice(table.relations)} CASCADE",
                          [*unknown, *((below, "TRUNCATE") for below in cascade)])
        elif kind < 0.12 and self.features["merge"]:
            sql, moves = statements.merge()
            session.write(sql, [*unknown, *((table, "MERGE that moves rows") for _ in range(moves))])
        elif kind < 0.17:
            self.copy(session, table, unknown)
        elif kind < 0.19 and table.part:
            self.attach_or_detach(session, table)
        elif kind < 0.2 and self.features["plpython3u"]:
            session.limited = True
            session.write(statements.limited(), [*unknown, (table, "a statement ended by its caller")])
        else:
            sql = statements.random()
            if table.part and sql.startswith("WITH one"):
                unknown.append((table, "two statements on one tree at the same time"))
            session.write(sql, unknown)

    def copy(self, session, table, unknown):
        """COPY FROM."""
        dice = self.dice
        start = dice.randrange(KEYS)
        lines = ["\t".join([*table.raw_key(i % KEYS, dice), str(dice.choice(["\\N", *range(20)]))]) + "\n"
                 for i in range(start, start + dice.choice([1, 2, 4]))]
        session.write(f"COPY {dice.choice(table.relations)} ({table.key_columns}, n) FROM STDIN",
                      unknown, "".join(lines))

    def attach_or_detach(self, session, table):
        """DETACH, or ATTACH what is detached; perhaps one after the other."""
        name = f"{table.name}_1"
        attach = (f"ALTER TABLE {table.name} ATTACH PARTITION {name}"
                  f" FOR VALUES {'FROM (2) TO (4)' if table.part == 'range' else 'IN (2)'}")
        detach = f"ALTER TABLE {table.name} DETACH PARTITION {name}"
        if self.admin.execute(f"SELECT relispartition FROM pg_class WHERE relname = '{name}'") == [(True,)]:
            sql = self.dice.choice([detach, f"{detach}; UPDATE {name} SET n = 5 WHERE n % 2 = 1; {attach}"])
            table.detached = name
        else:
            sql = attach
        unknown = [(below, "ATTACH or DETACH") for below in table.everything_below()]
        session.write(sql, unknown)

    def writer_step(self):
        """Some writer goes on."""
        dice = self.dice
        session = dice.choice(self.writers)
        if session.failed:
            if session.savepoints and dice.random() < 0.7:
                session.rollback_to(dice.randrange(len(session.savepoints)))
            else:
                session.end("ROLLBACK")
        elif session.idle:
            if dice.random() < 0.5:
                session.begin(dice.choice(["READ COMMITTED"] * 4 + ["REPEATABLE READ", "SERIALIZABLE"]))
                if dice.random() < 0.07:
                    session.execute("SET LOCAL session_replication_role = replica")
            self.write(session)
        else:
            kind = dice.random()
            if kind < 0.55:
                self.write(session)
            elif kind < 0.65:
                session.savepoint(f"s{len(session.savepoints)}")
            elif kind < 0.72 and session.savepoints:
                session.rollback_to(dice.randrange(len(session.savepoints)))
            elif kind < 0.75 and session.savepoints:
                session.release(dice.randrange(len(session.savepoints)))
            elif kind < 0.8 and self.features["prepared"] and len(self.prepared) < 3:
                name = f"{DATABASE} {self.tick()}"
                effects = session.prepare(name)
                if effects is not None:
                    self.prepared[name] = effects
                    self.was_prepared = True
            else:
                self.end(session, "COMMIT" if dice.random() < 0.75 else "ROLLBACK")

    def end(self, session, command):
        """Ends a transaction; a view refreshed on commit is up to date then, unless that failed."""
        if session.end(command):
            for view in self.views:
                if view.on_commit and not self.prepared:
                    self.compare_live(view)

    def compare_live(self, view):
        """A view refreshed on commit is up to date, unless that has failed (perhaps long ago, when a
        transaction was prepared) or DDL has come after it."""
        rows = self.checker.execute(f"""
            SELECT unknown_reason IS NULL AND (SELECT success FROM refresh_mv.history
                                               WHERE view = 'fuzz.{view.name}' ORDER BY run DESC LIMIT 1)
                   AND NOT ({self.was_prepared} AND stale)
            FROM refresh_mv.status WHERE schema = 'fuzz' AND name = '{view.name}'""")
        if rows == [(True,)]:
            self.compare(self.checker, view)

    def finish_prepared(self, name, commit):
        """COMMIT PREPARED or ROLLBACK PREPARED."""
        effects = self.prepared.pop(name)
        self.admin.execute(f"{'COMMIT' if commit else 'ROLLBACK'} PREPARED '{name}'")
        if commit:
            self.apply(effects)

    def view_step(self):
        """Something happens to a view."""
        dice = self.dice
        views = [view for view in self.views if not view.on_commit]
        view = dice.choice(views)
        kind = dice.random()
        if kind < 0.5:
            view = max((view for view in views if view.source), key=lambda view: (view.writes, dice.random()))
            if view.writes:
                found = self.check(self.checker, view)
                if found == "unknown":
                    self.refresh(self.checker, [view])
        elif kind < 0.75:
            self.check_and_refresh(view)
        elif kind < 0.82:
            self.refresh(self.checker, dice.sample(views, min(len(views), 3)), dice.choice(["smart", "full"]))
        elif kind < 0.86:
            self.view_step_of_writer(view)
        elif kind < 0.9:
            self.check_status()
        elif kind < 0.94:
            self.refresh_otherwise(view)
        else:
            self.procedure_step(views)

    def refresh_otherwise(self, view):
        """A view is refreshed in a way that is no baseline."""
        sql = self.dice.choice([f"REFRESH MATERIALIZED VIEW {view.name}",
                                f"SELECT refresh_mv.refresh_where('{view.name}', 'true')"])
        if self.admin.execute(sql):
            self.apply([("unknown", reader, "another refresh", None) for reader in self.views
                        if reader is view or reader.source == view.name])

    def view_step_of_writer(self, view):
        """A writer checks or refreshes, perhaps with changes of its own that are not committed."""
        session = self.dice.choice(self.writers)
        if session.failed:
            return
        if self.dice.random() < 0.5:
            self.refresh(session, [view])
        elif view.source and session.snapshot is None:
            self.check(session, view)
            if session.failed:
                session.end("ROLLBACK")

    def procedure_step(self, views):
        """All views are refreshed by the procedure."""
        names = ", ".join(view.name for view in views)
        at = self.time
        failed = self.admin.execute(f"CALL refresh_mv.run(views => '{{{names}}}')") is None
        done = self.outcomes(self.admin, "smart")
        refreshed = [view for view in views if view.name in done]
        if failed and len(refreshed) == len(views):
            raise Wrong("refresh_mv.run failed, none of its views did")
        if not self.copy_tables(self.admin, refreshed):
            raise Wrong("the views' tables cannot be copied")
        self.apply([("baseline", view, None, at) for view in refreshed])

    def step(self):
        """Anything."""
        kind = self.dice.random()
        if kind < 0.04 and self.prepared:
            self.finish_prepared(self.dice.choice(sorted(self.prepared)), self.dice.random() < 0.7)
        elif kind < 0.78:
            self.writer_step()
        else:
            self.view_step()

    # -------------------------------------------------------------------- end

    def finish(self):
        """Ends what is open, checks and refreshes all; then nothing is left to do, and no log."""
        for session in self.writers:
            if not session.idle:
                self.end(session, "COMMIT")
        for name in sorted(self.prepared):
            self.finish_prepared(name, True)
        views = [view for view in self.views if not view.on_commit]
        for session in (self.checker, self.admin):
            session.execute("SET lock_timeout = '10s'")  # nobody but autovacuum is there any more
        for view in views:
            self.check_and_refresh(view)
        if any(table.detached for table in self.tables):
            self.refresh(self.checker, views)  # the one before has only started to track again
        self.checker.begin("READ COMMITTED")
        if not self.refresh(self.checker, views, expected=("skip",)):
            raise Wrong("the views cannot be refreshed at the end")
        self.checker.end("COMMIT")
        self.await_purge()
        for view in self.views:
            self.compare(self.checker, view)
        self.take_away()

    def take_away(self):
        """Nothing of tracking may be left when it has ended, or the views are gone and that was noticed."""
        drop = self.dice.choice([[], ["DROP SCHEMA fuzz CASCADE"],
                                 [f"DROP MATERIALIZED VIEW {', '.join(view.name for view in self.views)}"]])
        sweep = "CALL refresh_mv.run()" if drop else "SELECT refresh_mv.untrack()"
        self.must(*drop, sweep)
        left = self.admin.execute("SELECT 'trigger on', tgrelid FROM pg_trigger WHERE tgname ~ '^refresh_mv'"
                                  " UNION ALL SELECT 'source', relation FROM refresh_mv.sources"
                                  " UNION ALL SELECT 'member', member FROM refresh_mv.members"
                                  " UNION ALL SELECT 'log of', relation FROM refresh_mv.log")
        if left:
            raise Wrong(f"{drop} and {sweep} have left {left}")

    def await_purge(self):
        """The log becomes empty in a few refreshes, as soon as no older transaction is open anywhere."""
        end = time.monotonic() + 10
        while True:
            self.admin.execute("SELECT refresh_materialized_views_smart()")
            left = self.admin.execute("SELECT relation::regclass, seq, reason FROM refresh_mv.log")
            if not left:
                return
            if time.monotonic() > end:
                raise Wrong(f"the log has not been purged: {left}")

    def run(self):
        """The whole scenario."""
        try:
            self.create()
            for _ in range(self.dice.randint(*STEPS)):
                self.step()
            self.finish()
        except Wrong as wrong:
            print("\n".join(self.history))
            print(f"\nscenario {self.seed} (log_fuzz.py --seed {self.seed}): {wrong}")
            return False
        finally:
            for session in [*self.sessions, getattr(self, "checker", None)]:
                if session:
                    session.connection.close()
            self.drop_prepared()
        return True

    @staticmethod
    def drop_prepared():
        """Rolls back prepared transactions that a failure has left."""
        for name, in execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            execute(f"ROLLBACK PREPARED '{name}'")


def execute(sql, database=None):
    """Runs SQL in a session of its own; returns the rows, if it returns any."""
    connection = psycopg2.connect(dbname=database or DATABASE)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def set_up():
    """Makes the database; returns what this server can do."""
    if execute("SELECT 1 FROM pg_database WHERE datname = '" + DATABASE + "'", "postgres"):
        Scenario.drop_prepared()
    execute(f"DROP DATABASE IF EXISTS {DATABASE}", "postgres")
    execute(f"CREATE DATABASE {DATABASE}", "postgres")
    execute(SETUP)
    features = {
        "prepared": execute("SHOW max_prepared_transactions") != [("0",)],
        "merge": execute("SELECT current_setting('server_version_num')::integer >= 150000") == [(True,)],
        "plpython3u": bool(execute("SELECT 1 FROM pg_available_extensions WHERE name = 'plpython3u'")),
    }
    if features["plpython3u"]:
        execute("CREATE EXTENSION plpython3u")
    print("left out, as this server has none:", [name for name, there in features.items() if not there] or "nothing")
    return features


def main():
    """Runs scenarios until there were enough windows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int)
    parser.add_argument("count", type=int, nargs="?", default=1)
    arguments = parser.parse_args()
    features = set_up()
    counts, errors = collections.Counter(), collections.Counter()
    seed = arguments.seed if arguments.seed is not None else 1
    start = time.monotonic()
    while (counts["scenarios"] < arguments.count if arguments.seed is not None
           else counts["windows"] < WINDOWS):
        scenario = Scenario(seed, features)
        if not scenario.run():
            return 1
        counts.update(scenario.counts, scenarios=1)
        errors.update(scenario.errors)
        seed += 1
    print(dict(counts), f"in {time.monotonic() - start:.1f} s")
    print("errors:", dict(errors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
