"""Random triggers that make life hard for those that log changes."""


def bodies(table, n, key, columns, dice):
    """When, at which level, and what it does; the_row is the row.  n is an integer column."""
    def same(one, two):
        return " AND ".join(f"{one}.{name} = {two}.{name}" for name in key)
    other, names = f"NOT ({same('t', 'the_row')})", ", ".join(columns)
    values = ", ".join("the_row." + name for name in columns)
    return dice.choice([
        ("BEFORE", "ROW", f"UPDATE {table} AS t SET {n} = {n} + 1 WHERE {n} % 7 = the_row.{n} % 7 AND {other};"),
        ("BEFORE", "ROW", f"DELETE FROM {table} AS t WHERE {n} = the_row.{n} + 1 AND {other};"),
        ("BEFORE", "ROW", f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} AS t"
                          f" WHERE {n} = the_row.{n} AND {other} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {n} = 3;"),
        ("BEFORE", "ROW", f"IF the_row.{n} % 5 = 2 THEN RETURN NULL; END IF;"),
        ("BEFORE", "ROW", f"the_row.{n} := the_row.{n} + 1;"),
        ("AFTER", "ROW", f"DELETE FROM {table} AS t WHERE {same('t', 'the_row')};"
                         f" INSERT INTO {table} ({names}) VALUES ({values});"),
        ("AFTER", "ROW", f"IF TG_OP = 'DELETE' AND the_row.{n} % 2 = 0 THEN"
                         f" INSERT INTO {table} ({names}) VALUES ({values}); END IF;"),
        ("AFTER", "ROW", f"UPDATE {table} AS t SET {n} = {n} + 1 WHERE {same('t', 'the_row')} OR {n} = 4;"),
        ("AFTER", "STATEMENT", f"UPDATE {table} SET {n} = {n} + 1 WHERE {n} % 4 = 0;"),
        ("AFTER", "STATEMENT", f"DELETE FROM {table} WHERE {n} = 13;"),
        ("BEFORE", "STATEMENT", f"UPDATE {table} SET {n} = {n} + 1 WHERE {n} % 6 = 1;"),
        ("CONSTRAINT", "ROW", f"UPDATE {table} AS t SET {n} = {n} + 1 WHERE {n} % 9 = 1;"),
    ])


def trigger(table, function, n, key, columns, dice):
    """The statements that make a trigger, and whether it refuses rows."""
    when, level, body = bodies(table, n, key, columns, dice)
    events = " OR ".join(dice.sample(["INSERT", "UPDATE", "DELETE"], dice.randrange(1, 4)))
    depth = dice.choice([1, 1, 2])
    statements = [f"""CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE the_row record;
        BEGIN
            IF TG_LEVEL = 'ROW' THEN
                IF TG_OP = 'DELETE' THEN the_row := OLD; ELSE the_row := NEW; END IF;
            END IF;
            IF pg_trigger_depth() <= {depth} THEN
                {body}
            END IF;
            IF TG_LEVEL = 'ROW' THEN
                RETURN the_row;
            END IF;
            RETURN NULL;
        END $$"""]
    name = f"{dice.choice('az')}_{function}"  # before or after ours
    if when == "CONSTRAINT":
        statements.append(f"CREATE CONSTRAINT TRIGGER {name} AFTER {events} ON {table}"
                          f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {function}()")
    else:
        statements.append(f"CREATE TRIGGER {name} {when} {events} ON {table}"
                          f" FOR EACH {level} EXECUTE FUNCTION {function}()")
    return statements, "RETURN NULL" in body
