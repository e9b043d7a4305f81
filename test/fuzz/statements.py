"""Forms of random statements that change the rows of a table, whatever the table is."""
from script import either, plain


class Statements:
    """Makes statements.  What a table, its rows and conditions on them are, a subclass tells."""

    def __init__(self, dice):
        self.dice = dice

    # ------------------------------------------------- what a subclass tells

    def target(self, table):
        """What to write to: the table, or a part of it."""
        raise NotImplementedError

    def columns(self, table):
        """The names of the columns that can be written, in some order."""
        raise NotImplementedError

    def key(self, table):
        """The names of the key's columns, if there is a key."""
        raise NotImplementedError

    def rows(self, table, number):
        """Rows for VALUES, in the order of the columns."""
        raise NotImplementedError

    def source(self, table):
        """Such rows with their types, for MERGE."""
        return self.rows(table, 4)

    def condition(self, table):
        """Which rows: few, some, all."""
        raise NotImplementedError

    def merge_target(self, table):
        """What to MERGE into."""
        return self.target(table)

    def some(self, table, alias):
        """A condition that some of the rows of an alias meet."""
        raise NotImplementedError

    def change(self, table):
        """A random change of a row, for SET."""
        raise NotImplementedError

    def conflict_change(self, table):
        """The same for ON CONFLICT DO UPDATE."""
        return self.change(table)

    def merge_change(self, table):
        """The same for MERGE of s into t."""
        return self.change(table)

    def replaced(self, table):
        """A column and what replaces it in a row that is moved."""
        raise NotImplementedError

    def new_key(self, table):
        """A column of the key and a value."""
        raise NotImplementedError

    def other(self, table):
        """A table to be changed together with this one."""
        raise NotImplementedError

    # -------------------------------------------------------------- statements

    def names(self, table, replaced=None, alias=""):
        """The columns that can be written as a list in SQL, some of them replaced by an expression."""
        return ", ".join((replaced or {}).get(name, alias + name) for name in self.columns(table))

    def key_names(self, table):
        """The key's columns, as a list in SQL."""
        return ", ".join(self.key(table))

    def same_row(self, table, one, two):
        """A condition: two rows have the same key."""
        return " AND ".join(f"{one}.{name} = {two}.{name}" for name in self.key(table))

    def insert(self, table):
        """INSERT, with or without ON CONFLICT."""
        dice, key = self.dice, self.key_names(table)
        arbiter = f" ({key})" if key and dice.random() < 0.7 else ""
        conflict = dice.choice(["", " ON CONFLICT DO NOTHING", f" ON CONFLICT{arbiter} DO NOTHING"])
        change = self.conflict_change(table) if key and dice.random() < 0.3 else ""
        if change:
            conflict = f" ON CONFLICT ({key}) DO UPDATE SET {change}"
            if dice.random() < 0.2:
                conflict += f" WHERE {self.some(table, 'EXCLUDED')}"
        rows = self.rows(table, dice.choice([1, 1, 2, 3, 6, 8]))
        return f"INSERT INTO {self.target(table)} ({self.names(table)}) VALUES {rows}{conflict}"

    def update(self, table):
        """UPDATE."""
        return f"UPDATE {self.target(table)} SET {self.change(table)} WHERE {self.condition(table)}"

    def delete(self, table):
        """DELETE."""
        return f"DELETE FROM {self.target(table)} WHERE {self.condition(table)}"

    def simple(self, table):
        """A plain statement, which WITH may hold."""
        choices = [self.insert, self.insert, self.update, self.update, self.delete]
        return self.dice.choice(choices if self.change(table) else [self.insert, self.delete])(table)

    def moved(self, source, target, table, where, replaced):
        """Rows deleted and inserted again, some of their columns with another value, by one statement."""
        return (f"WITH gone AS (DELETE FROM {source} WHERE {where} RETURNING *) INSERT INTO {target}"
                f" ({self.names(table)}) SELECT {self.names(table, replaced)} FROM gone")

    def replace(self, table):
        """As above, of random rows."""
        return self.moved(self.target(table), self.target(table), table, self.condition(table),
                          dict([self.replaced(table)]))

    def both(self, table):
        """Two changes of one table, or of two, by one statement."""
        other, one = self.simple(self.other(table)), self.simple(table)
        return self.dice.choice([
            f"WITH one AS ({other} RETURNING 1) {one}",
            f"WITH one AS ({one} RETURNING 1), two AS ({other} RETURNING 1)"
            " SELECT count(*) FROM one FULL JOIN two ON true"])

    def copied(self, table):
        """INSERT of rows of the table itself, with other keys."""
        return (f"INSERT INTO {self.target(table)} ({self.names(table)})"
                f" SELECT {self.names(table, dict([self.new_key(table)]))} FROM {table.name}"
                f" WHERE {self.condition(table)} ON CONFLICT DO NOTHING")

    def merge(self, table):
        """MERGE that does one to three things."""
        dice = self.dice
        arms = [f" WHEN MATCHED AND {self.some(table, 't')} THEN DELETE",
                f" WHEN MATCHED AND {self.some(table, 's')} THEN UPDATE SET {self.merge_change(table)}",
                f" WHEN NOT MATCHED{dice.choice(['', ' AND ' + self.some(table, 's')])} THEN INSERT"
                f" ({self.names(table)}) VALUES ({self.names(table, alias='s.')})"]
        chosen = [either(arm) for arm in dice.sample(arms, dice.randrange(1, 4))]
        return (f"MERGE INTO {self.merge_target(table)} t USING (VALUES {self.source(table)}) s ({self.names(table)})"
                f" ON {self.same_row(table, 't', 's')}{''.join(chosen)}")

    # ------------------------------------------------------------- in PL/pgSQL

    def caught(self, table):
        """Subtransactions, one of them rolled back."""
        one, two, three, four, five = (self.simple(table) for _ in range(5))
        return (f"DO $$ BEGIN {either(one + ';')} BEGIN {either(two + ';')} {three};"
                " PERFORM 1 / (txid_current() - txid_current());"
                f" EXCEPTION WHEN OTHERS THEN {four}; END;"
                f" BEGIN {five}; EXCEPTION WHEN OTHERS THEN NULL; END; END $$")

    def loop(self, table):
        """Rows that are changed while a loop fetches them."""
        body = self.dice.choice(["EXIT;", self.simple(table) + ";", "NULL;"])
        return (f"DO $$ DECLARE fetched record; BEGIN FOR fetched IN {self.simple(table)} RETURNING *"
                f" LOOP {either(body, 'NULL;')} END LOOP; END $$")

    def cursor(self, table):
        """UPDATE and DELETE by WHERE CURRENT OF."""
        change = self.change(table)
        what = f"UPDATE {table.name} SET {change}" if change and self.dice.random() < 0.5 else f"DELETE FROM {table.name}"
        return (f"DO $$ DECLARE here CURSOR FOR SELECT * FROM {table.name} WHERE {self.condition(table)} FOR UPDATE;"
                f" BEGIN FOR fetched IN here LOOP {what} WHERE CURRENT OF here; END LOOP; END $$")

    def limited(self, table):
        """A statement that its caller ends after some rows."""
        what = plain(self.simple(table)) + " RETURNING 1"
        return f"DO LANGUAGE plpython3u $$ plpy.execute({what!r}, {self.dice.randrange(1, 4)}) $$"
