"""Random tables, partitions, foreign keys, triggers, types and functions; what of it there is."""
import collections
import dataclasses

from script import either
from triggers import trigger

# Types by the name that format_type() gives.  Any two values of LABELS that are equal are
# the same, so that a group or an extreme has one right answer.
VALUES = {
    "integer": range(8), "bigint": [0, 1, 2, 3, 5, 3000000000], "smallint": range(5),
    "numeric": ["1.0", "1.00", "2.2", "2.20", "2.200", "0", "-0.50", "7", "3.14159",
                "-12345678901234567890.123"] * 8 + ["NaN", "Infinity", "-Infinity"],
    "numeric(8,2)": ["1", "4.5", "9.99", "0", "-3.25"] * 6 + ["NaN"],
    "text": ["a", "b", "c", "ab", "", "Ä", "B"], "character varying(8)": ["v", "w", "vw", ""],
    "character(3)": ["A", "AB", "b"],
    "date": [f"2024-01-{i:02}" for i in (1, 2, 15, 30, 31)] + ["2024-02-29", "2023-12-31"],
    "timestamp without time zone": [f"2024-0{m}-15 {h}:30" for m in (1, 2) for h in ("00", "07", "23")],
    "timestamp with time zone": [f"2024-01-0{d} {h}:30+00" for d in (1, 2) for h in ("01", "12", "23")],
    "boolean": ["true", "false"], "double precision": ["0.5", "0.25", "1.5", "-2", "1024"] * 8 + ["NaN"],
    "interval": ["1 day", "24:00:00", "-1 mon", "1 mon 2 days 03:00", "0"], "mood": ["sad", "ok", "glad"],
    "uuid": [f"00000000-0000-4000-8000-00000000000{i}" for i in range(6)], "money": ["1.00", "-2.50", "0", "1000"],
    "integer[]": ["{}", "{1}", "{1,2}", "{2,1}", "{1,NULL,3}"], "json": ['{"a": 1}', '{"a":1}', "[]"],
    "jsonb": ['{"a": 1}', '{"a": 1.0}', '{"a": null}', "[]"], "bytea": ["\\x", "\\x00", "\\x0001"], "positive": [1, 2, 3],
    "text[]": ["{}", "{a}", "{a,NULL}"],
}
UNEQUAL = {"json"}                                  # has no equality
MANY_FACES = {"numeric", "interval", "jsonb", "json", "character"}  # equal values may look different
LABELS = set(VALUES) - MANY_FACES
EXTREMES = LABELS - {"boolean", "uuid", "bytea", "positive"}  # of which there are the least and the greatest
KEYS = ["integer"] * 8 + ["bigint", "text", "smallint", "character varying(8)", "uuid", "date"]
COMMON = ["integer"] * 9 + ["text"] * 3 + ["numeric"] * 3 + ["date", "boolean", "numeric(8,2)", "mood"] * 2
NAMES = "a b c d e f g h k m n p q r s t u v w x y z".split() + ['"Or der"', '"group"', "ä"]
RECENT = [f"current_date - {n}" for n in (0, 0, 1, 2, 3, 8, 40, 400)]

COLUMNS = """
    SELECT c.oid::regclass::text, c.relkind, c.relispartition, quote_ident(a.attname),
           format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.attgenerated <> '' OR a.attidentity <> '',
           coalesce(a.attnum = ANY (i.indkey), false),
           (SELECT f.confrelid::regclass || '.' || quote_ident(r.attname) FROM pg_constraint f
            JOIN pg_attribute r ON r.attrelid = f.confrelid AND r.attnum = f.confkey[1]
            WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.conkey = ARRAY[a.attnum] LIMIT 1),
           (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = c.oid LIMIT 1)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN LATERAL (SELECT indkey FROM pg_index WHERE indrelid = c.oid AND indisunique AND indpred IS NULL
                       AND indexprs IS NULL AND indimmediate ORDER BY NOT indisprimary, indexrelid LIMIT 1) i ON true
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
    ORDER BY c.relname COLLATE "C", a.attnum"""


@dataclasses.dataclass
class Column:
    """A column of a relation."""
    name: str
    type: str
    required: bool = False
    computed: bool = False
    key: bool = False
    parent: str = None       # "table.column", if it is a foreign key


@dataclasses.dataclass
class Relation:
    """A table, partition, or view."""
    name: str
    kind: str
    partition: bool = False
    parent: str = None
    columns: list = dataclasses.field(default_factory=list)

    @property
    def key(self):
        """The columns of a key, or none."""
        key = [column for column in self.columns if column.key]
        return key if all(column.required for column in key) else []

    @property
    def rest(self):
        """Other columns that can be written."""
        return [column for column in self.columns if not column.key and not column.computed]


def relations(execute):
    """All tables and views that there are, by name."""
    found = {}
    for name, kind, partition, column, kind_of, required, computed, key, parent, above in execute(COLUMNS):
        relation = found.setdefault(name, Relation(name, kind, partition, above))
        relation.columns.append(Column(column, kind_of, required, computed, key, parent))
    return found


class Schema:
    """Makes the statements that create tables."""

    def __init__(self, dice):
        self.dice = dice
        self.parents = []            # (table, column) that foreign keys can refer to
        self.names = collections.Counter()

    def setup(self):
        """All statements."""
        yield "CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad')"
        yield "CREATE DOMAIN positive AS integer CHECK (value > 0)"
        yield "CREATE FUNCTION twist(integer) RETURNS integer IMMUTABLE LANGUAGE sql RETURN ($1 * 3) % 5"
        for i in range(self.dice.choice([2, 3, 3, 4, 5])):
            yield from self.table("T x" if i == 1 and self.dice.random() < 0.1 else f"t{i}")

    def table(self, name):
        """A table with its indexes, partitions and triggers."""
        dice = self.dice
        name = f'"{name}"' if " " in name else name
        kind = dice.choices(["key", "pair", "unique", "none", "list", "range", "hash"], [12, 4, 3, 0.3, 1, 0.7, 0.7])[0]
        names = dice.sample(NAMES, dice.randint(3, 7))
        key = [("id", dice.choice(KEYS))]
        if kind in ("pair", "list", "range", "hash"):
            types = ["integer", "integer", "smallint", "text"] if kind == "pair" else ["integer"]
            key.append((names.pop(), dice.choice(types)))
        parts = [f"{column} {type_} NOT NULL" for column, type_ in key]
        parts += [either(", " + self.column(column, i)) for i, column in enumerate(names)]
        if dice.random() < 0.15:
            of = "id" if key[0][1] == "integer" else "1"
            parts.append(either(f", gen integer GENERATED ALWAYS AS ({of} % 3) STORED"))
        body = ", ".join(parts[:len(key)]) + "".join(parts[len(key):])
        columns = ", ".join(column for column, _ in dice.sample(key, len(key)))
        if kind not in ("unique", "none"):
            body += f", PRIMARY KEY ({columns})"
        split = key[-1][0]
        yield (f"CREATE TABLE {name} ({body})"
               + (f" PARTITION BY {kind} ({split})" if kind in ("list", "range", "hash") else ""))
        yield from self.partitions(name, kind, body.replace(f", PRIMARY KEY ({columns})", ""), split)
        if kind == "unique":
            yield f"CREATE UNIQUE INDEX ON {name} ({columns})"
        for column in names:
            if dice.random() < 0.2:
                yield f"CREATE INDEX ON {name} ({column})"
        if kind == "key" and key[0][1] == "integer":
            self.parents.append(name)
        if dice.random() < 0.12:
            yield from self.trigger(name, names, [column for column, _ in key] if kind != "none" else [])

    def column(self, name, position):
        """A column's definition."""
        dice = self.dice
        parents = self.parents
        if parents and dice.random() < 0.3:
            action = dice.choice(["ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE CASCADE ON UPDATE CASCADE",
                                  "ON UPDATE CASCADE", "", "DEFERRABLE INITIALLY DEFERRED"])
            return f"{name} integer{either(f' REFERENCES {dice.choice(parents)} {action}')}"
        type_ = "integer" if position == 0 else dice.choice(COMMON if dice.random() < 0.8 else sorted(VALUES))
        if dice.random() < 0.2:
            default = {"integer": "1", "text": "'a'"}.get(type_)
            return f"{name} {type_} NOT NULL" + (f" DEFAULT {default}" if default else "")
        return f"{name} {type_}"

    def partitions(self, name, kind, body, split):
        """Partitions of a table, one with its columns in another order."""
        bounds = {"list": ["IN (0, 1)", "IN (2, 3)", None],
                  "range": ["FROM (MINVALUE) TO (2)", "FROM (2) TO (4)", None],
                  "hash": ["WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)"]}.get(kind, [])
        base = name.strip('"').replace(" ", "")
        for i, bound in enumerate(bounds):
            part, values = f"{base}_p{i}", f"FOR VALUES {bound}" if bound else "DEFAULT"
            if i == 1 and "GENERATED" not in body and "REFERENCES" not in body and self.dice.random() < 0.5:
                yield f"CREATE TABLE {part} (junk integer, LIKE {name} INCLUDING DEFAULTS)"
                yield f"ALTER TABLE {part} DROP COLUMN junk"
                yield f"ALTER TABLE {name} ATTACH PARTITION {part} {values}"
            elif i == 1 and kind == "list" and self.dice.random() < 0.3:
                yield f"CREATE TABLE {part} PARTITION OF {name} {values} PARTITION BY LIST ({split})"
                yield f"CREATE TABLE {part}_a PARTITION OF {part} FOR VALUES IN (2)"
                yield f"CREATE TABLE {part}_b PARTITION OF {part} FOR VALUES IN (3)"
            else:
                yield f"CREATE TABLE {part} PARTITION OF {name} {values}"

    def trigger(self, name, names, key):
        """A trigger that changes the same table or another one."""
        function = f"touch_{name.strip(chr(34)).replace(' ', '')}"
        if key and self.dice.random() < 0.6:
            statements, _ = trigger(name, function, names[0], key, [*key, *names], self.dice)
            yield from statements
            return
        other = self.dice.choice([name, *self.parents])
        body = self.dice.choice([f"DELETE FROM {other} WHERE id::text = '3'",
                                 f"UPDATE {name} SET {names[0]} = 1 WHERE id = NEW.id AND {names[0]} IS NULL"])
        yield (f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
               f"$$BEGIN IF pg_trigger_depth() < 2 THEN {body}; END IF; RETURN NULL; END$$")
        yield (f"CREATE TRIGGER touch AFTER {self.dice.choice(['INSERT', 'UPDATE', 'INSERT OR UPDATE'])} ON {name} "
               f"FOR EACH ROW EXECUTE FUNCTION {function}()")
