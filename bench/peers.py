"""What bench/peers measures, which see. The databases small and large are there to be copied."""
import argparse
import csv
import statistics
import time

import psycopg2

# What views are tried; :day is the day of an order, as the peer can group by it.
KINDS = {
    "count and sum of one table": """SELECT :day AS day, o.location_id, count(*) AS n, sum(o.total_cents) AS total
        FROM unified_orders o GROUP BY :day, o.location_id""",
    "avg, min, max": """SELECT :day AS day, count(*) AS n, avg(o.total_cents) AS a, min(o.total_cents) AS low, max(o.total_cents) AS high
        FROM unified_orders o GROUP BY :day""",
    "an aggregate with FILTER": """SELECT :day AS day, count(*) AS n, count(*) FILTER (WHERE o.voided) AS voided
        FROM unified_orders o GROUP BY :day""",
    "count(DISTINCT)": """SELECT :day AS day, count(DISTINCT o.location_id) AS n FROM unified_orders o GROUP BY :day""",
    "string_agg": """SELECT :day AS day, string_agg(DISTINCT o.source_system, ',' ORDER BY o.source_system) AS sources
        FROM unified_orders o GROUP BY :day""",
    "percentile_cont": """SELECT :day AS day, percentile_cont(0.5) WITHIN GROUP (ORDER BY o.total_cents) AS middle
        FROM unified_orders o GROUP BY :day""",
    "HAVING": """SELECT :day AS day, o.location_id, count(*) AS n FROM unified_orders o
        GROUP BY :day, o.location_id HAVING count(*) > 1""",
    "a total, without GROUP BY": "SELECT count(*) AS n, sum(o.total_cents) AS total FROM unified_orders o",
    "grouped by something else than time": """SELECT o.location_id, count(*) AS n FROM unified_orders o GROUP BY o.location_id""",
    "groups over a join with a small table": """SELECT :day AS day, l.city, count(*) AS n FROM unified_orders o
        JOIN unified_locations l ON l.location_id = o.location_id GROUP BY :day, l.city""",
    "groups over a join of two large tables": """SELECT :day AS day, count(*) AS n, sum(i.quantity) AS units FROM unified_orders o
        JOIN unified_order_items i ON i.order_id = o.order_id GROUP BY :day""",
    "groups over a LEFT JOIN": """SELECT :day AS day, count(*) AS n, count(i.item_id) AS items FROM unified_orders o
        LEFT JOIN unified_order_items i ON i.order_id = o.order_id GROUP BY :day""",
    "a self-join": """SELECT a.order_id AS first, b.order_id AS second FROM unified_orders a JOIN unified_orders b
        ON b.order_date = a.order_date AND b.location_id = a.location_id AND b.order_id > a.order_id""",
    "rows of one table": "SELECT o.order_id, o.order_date, o.total_cents FROM unified_orders o WHERE NOT o.voided",
    "rows of a join": """SELECT o.order_id, o.order_date, l.name FROM unified_orders o
        JOIN unified_locations l ON l.location_id = o.location_id""",
    "DISTINCT": "SELECT DISTINCT o.order_date, o.source_system FROM unified_orders o",
    "EXISTS": """SELECT o.order_id, o.order_date FROM unified_orders o
        WHERE EXISTS (SELECT 1 FROM unified_order_items i WHERE i.order_id = o.order_id AND i.quantity = 3)""",
    "NOT EXISTS": """SELECT o.order_id, o.order_date FROM unified_orders o
        WHERE NOT EXISTS (SELECT 1 FROM unified_order_items i WHERE i.order_id = o.order_id AND i.quantity = 3)""",
    "a comparison with a total": """SELECT o.order_id, o.total_cents FROM unified_orders o
        WHERE o.total_cents > (SELECT avg(total_cents) FROM unified_orders)""",
    "a CTE that groups, joined": """WITH t AS (SELECT location_id, sum(total_cents) AS total FROM unified_orders GROUP BY location_id)
        SELECT l.location_id, l.name, t.total FROM unified_locations l JOIN t ON t.location_id = l.location_id""",
    "UNION ALL": """SELECT o.order_id AS id, o.total_cents AS cents, 'order' AS what FROM unified_orders o
        UNION ALL SELECT i.item_id, i.total_price_cents, 'item' FROM unified_order_items i""",
    "UNION, EXCEPT": """SELECT location_id FROM unified_locations EXCEPT SELECT o.location_id FROM unified_orders o WHERE o.voided""",
    "a window function": """SELECT o.order_id, o.order_date, rank() OVER (PARTITION BY o.order_date ORDER BY o.total_cents, o.order_id) AS rank
        FROM unified_orders o""",
    "ORDER BY and LIMIT": """SELECT o.order_id, o.total_cents FROM unified_orders o ORDER BY o.total_cents DESC, o.order_id LIMIT 10""",
    "ROLLUP": """SELECT o.location_id, o.source_system, count(*) AS n FROM unified_orders o
        GROUP BY ROLLUP (o.location_id, o.source_system)""",
    "DISTINCT ON": """SELECT DISTINCT ON (o.location_id) o.location_id, o.order_id FROM unified_orders o
        ORDER BY o.location_id, o.total_cents DESC, o.order_id""",
    "a recursive CTE beside a table": """WITH RECURSIVE r (location_id) AS (SELECT 1 UNION ALL SELECT location_id * 2 FROM r WHERE location_id < 20)
        SELECT o.location_id, count(*) AS n FROM unified_orders o JOIN r ON r.location_id = o.location_id GROUP BY o.location_id""",
    "a view over another": "SELECT b.location_id, sum(b.n) AS n FROM below b GROUP BY b.location_id",
    "the last 30 days": """SELECT :day AS day, count(*) AS n FROM unified_orders o WHERE o.order_date > current_date - 30 GROUP BY :day""",
    "a table without a key": "SELECT k.a, count(*) AS n FROM no_key k GROUP BY k.a",
    "now() in the output": "SELECT o.location_id, count(*) AS n, now() AS made FROM unified_orders o GROUP BY o.location_id",
    "random() in the output": "SELECT o.location_id, count(*) AS n, random() AS r FROM unified_orders o GROUP BY o.location_id",
}
# What the views over another read.
BELOW = "SELECT :day AS day, o.location_id, count(*) AS n FROM unified_orders o GROUP BY :day, o.location_id"
# Whose rows cannot be compared with those of the query run again.
UNSTEADY = ("now() in the output", "random() in the output")

ORDERS = """INSERT INTO unified_orders (order_id, source_system, external_order_id, order_type, location_id, order_date,
    order_timestamp, voided, subtotal_cents, tax_cents, tip_cents, total_cents, service_fee_cents, delivery_fee_cents) """
ROW = """n, (ARRAY['toast', 'doordash', 'square'])[1 + n % 3], 'I-' || n, 'pickup', 1 + n % 40, {day}, now(), n % 50 = 0,
    1000 + n % 700, 80, 0, 1080 + n % 700, 0, 0"""
ITEMS = "INSERT INTO unified_order_items (order_id, product_id, quantity, unit_price_cents, total_price_cents) "
# What is changed under each of KINDS.
CHANGES = [
    f"{ORDERS} SELECT {ROW.format(day='current_date')} FROM generate_series(1000000, 1000099) n",
    f"{ITEMS} SELECT 1000000 + n / 3, 1 + n % 500, 1 + n % 3, 400, 400 FROM generate_series(0, 299) n",
    "UPDATE unified_orders SET total_cents = total_cents + 100, voided = NOT voided, location_id = 1 + location_id % 40 WHERE order_id % 50 = 7",
    "DELETE FROM unified_order_items WHERE order_id % 50 = 9",
    "DELETE FROM unified_orders WHERE order_id % 50 = 9",
    "UPDATE unified_locations SET name = name || '!', city = 'Elsewhere' WHERE location_id = 3",
    "INSERT INTO no_key VALUES (1, 1)"]

# What is measured.
VIEWS = {
    "by_day": """SELECT :day AS day, o.location_id, o.source_system, count(*) AS orders, sum(o.total_cents) AS total
        FROM unified_orders o WHERE NOT o.voided GROUP BY :day, o.location_id, o.source_system""",
    "by_item": """SELECT p.product_id, p.name, count(*) AS items, sum(i.quantity) AS units, sum(i.total_price_cents) AS sales
        FROM unified_order_items i JOIN unified_products p ON p.product_id = i.product_id
        JOIN unified_orders o ON o.order_id = i.order_id WHERE NOT o.voided GROUP BY p.product_id, p.name"""}
KEYS = {"by_day": "day, location_id, source_system", "by_item": "product_id"}


class Database:
    """A database that is a copy of another, in which the views of a peer are made."""

    def __init__(self, peer, template):
        self.peer = peer
        connection = psycopg2.connect(dbname="postgres")
        connection.autocommit = True
        connection.cursor().execute("DROP DATABASE IF EXISTS copy WITH (FORCE)")
        connection.cursor().execute(f"CREATE DATABASE copy TEMPLATE {template}")
        connection.close()
        self.connection = psycopg2.connect(dbname="copy")
        self.connection.autocommit = True
        self.run("SET client_min_messages = error")
        self.prepare()

    def run(self, statement):
        """Runs a statement; returns its rows, if it has any."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def prepare(self):
        """Makes what the peer needs before there is a view."""
        self.run("CREATE TABLE no_key AS SELECT n AS a, n AS b FROM generate_series(1, 3) n")
        if self.peer in ("refresh_mv", "pg_ivm", "TimescaleDB"):
            self.run(f"CREATE EXTENSION {self.peer.lower()}")
        if self.peer == "TimescaleDB":
            self.run("ALTER TABLE unified_orders DROP CONSTRAINT unified_orders_pkey,"
                     " DROP CONSTRAINT unified_orders_source_system_external_order_id_key, ADD PRIMARY KEY (order_id, order_date)")
            self.run("SELECT create_hypertable('unified_orders', by_range('order_date', interval '1 month'),"
                     " create_default_indexes => false, migrate_data => true)")

    def query(self, text):
        """The query with the day as the peer can group by it."""
        return text.replace(":day", "time_bucket('1 day', o.order_date)" if self.peer == "TimescaleDB" else "o.order_date")

    def create(self, name, text, key=None):
        """Makes the view, filled."""
        query = self.query(text)
        if self.peer == "pg_ivm":
            self.run(f"SELECT pgivm.create_immv('{name}', $q${query}$q$)")
        elif self.peer == "TimescaleDB":
            self.run(f"CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous) AS {query} WITH NO DATA")
            self.refresh(name)
        else:
            self.run(f"CREATE MATERIALIZED VIEW {name} AS {query}")
        if self.peer == "refresh_mv":
            self.run(f"SELECT refresh_mv.track('{name}')")
            self.refresh(name)
        if self.peer == "CONCURRENTLY":
            self.run(f"CREATE UNIQUE INDEX ON {name} ({key or self.columns(name)})")

    def refresh(self, name):
        """Has the peer bring the view up to date, where that is not done by the writing."""
        statement = {
            "refresh_mv": f"SELECT success, message FROM refresh_materialized_views_smart(views => '{{{name}}}')",
            "REFRESH": f"REFRESH MATERIALIZED VIEW {name}",
            "CONCURRENTLY": f"REFRESH MATERIALIZED VIEW CONCURRENTLY {name}",
            "TimescaleDB": f"CALL refresh_continuous_aggregate('{name}', NULL, NULL)"}.get(self.peer)
        if statement:
            rows = self.run(statement)
            if rows and not rows[0][0]:
                raise psycopg2.Error(rows[0][1])

    def way(self):
        """How the last refresh was done."""
        if self.peer == "refresh_mv":
            return self.run("SELECT method FROM refresh_mv.history ORDER BY started DESC LIMIT 1")[0][0]
        return {"pg_ivm": "as it is written", "TimescaleDB": "by buckets"}.get(self.peer, "anew")

    def columns(self, name):
        """The columns that the view has by its query."""
        return self.run(f"""SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = '{name}'::regclass AND attnum > 0 AND attname !~ '^__ivm'""")[0][0]

    def wrong(self, name, text):
        """How many rows of the view are not those of its query."""
        query, columns = self.query(text), self.columns(name)
        return self.run(f"""SELECT count(*) FROM ((SELECT * FROM ({query}) q EXCEPT ALL SELECT {columns} FROM {name})
            UNION ALL (SELECT {columns} FROM {name} EXCEPT ALL SELECT * FROM ({query}) q)) d""")[0][0]

    def close(self):
        """Leaves the database."""
        self.connection.close()


def said(error):
    """What an error says, without where to read more."""
    message = (error.diag.message_primary or str(error)).strip().split(". ")[0]
    return f"{message}: {error.diag.message_detail.splitlines()[0]}" if error.diag.message_detail else message


def try_kind(peer, kind):
    """What the peer says to a view of the kind: an answer, the way of refreshing, and what it said."""
    database = Database(peer, "small")
    try:
        if kind == "a view over another":
            database.create("below", BELOW)
        database.create("tried", KINDS[kind])
        for change in CHANGES:
            database.run(change)
        if kind == "a view over another":
            database.refresh("below")
        database.refresh("tried")
        wrong = 0 if kind in UNSTEADY else database.wrong("tried", KINDS[kind])
        return ("wrong", database.way(), f"{wrong} rows differ") if wrong else ("yes", database.way(), "")
    except psycopg2.Error as error:
        return "no", "", said(error)
    finally:
        database.close()


def try_kinds(peers, lines):
    """Tries all kinds of views with all peers."""
    for kind in KINDS:
        for peer in peers:
            if peer not in ("nothing", "REFRESH"):
                answer = try_kind(peer, kind)
                lines.append((kind, peer, *answer))
                print(f"{kind:40} {peer:13} {' '.join(filter(None, answer))}", flush=True)


def changes_of(view, orders):
    """What is changed under the view: for each name, the statements of a round, as one transaction."""
    def first(number):
        return 10000000 + number * 20000

    def day(number):
        return f"date '2024-01-01' + {number}"

    def ingest(number):
        return [f"{ORDERS} SELECT {ROW.format(day=day(number))} FROM generate_series({first(number)}, {first(number) + 9999}) n",
                f"{ITEMS} SELECT {first(number)} + n / 3, 1 + n % 500, 1 + n % 3, 400, 400 * (1 + n % 3) FROM generate_series(0, 29999) n"]

    if view == "by_day":
        return {
            "10,000 orders in": ingest,
            "1,000 in, one by one": lambda number: [
                f"{ORDERS} SELECT {ROW.format(day=day(number))} FROM (SELECT {first(number) + 10000 + i} AS n) n" for i in range(1000)],
            "1,000 updated": lambda number: [
                f"UPDATE unified_orders SET total_cents = total_cents + 100 WHERE order_id % ({orders} / 1000) = {number}"],
            "500 voided": lambda number: [
                f"UPDATE unified_orders SET voided = true WHERE order_id BETWEEN {number * 500 + 1} AND {number * 500 + 500}"]}
    return {
        "10,000 orders in": ingest,
        "1,000 in, one by one": lambda number: [
            f"{ITEMS} VALUES ({i * 97 % orders + 1}, {1 + i % 500}, 2, 300, 600)" for i in range(1000)],
        "1,000 updated": lambda number: [
            f"UPDATE unified_order_items SET quantity = quantity + 1 WHERE item_id % ({orders} * 3 / 1000) = {number}"],
        "500 deleted": lambda number: [
            f"DELETE FROM unified_order_items WHERE item_id % ({orders} * 3 / 500) = {number + 20}"],
        "a product renamed": lambda number: [
            f"UPDATE unified_products SET name = name || '!' WHERE product_id = {number + 1}"]}


def measure_round(database, view, statements):
    """Milliseconds of the writing, and of the refresh after it."""
    start = time.perf_counter()
    for statement in ("BEGIN", *statements, "COMMIT"):
        database.run(statement)
    written = time.perf_counter()
    if database.peer != "nothing":
        database.refresh(view)
    return (written - start) * 1000, (time.perf_counter() - written) * 1000


def measure(peer, view, options, lines):
    """Measures all changes under the view as the peer keeps it."""
    database = Database(peer, "large")
    try:
        if peer != "nothing":
            database.create(view, VIEWS[view], KEYS[view])
    except psycopg2.Error as error:
        print(f"{view:8} {peer}: {said(error)}", flush=True)
        return
    for change, statements in changes_of(view, options.orders).items():
        database.run("VACUUM ANALYZE")
        times = [measure_round(database, view, statements(number)) for number in range(options.rounds + 1)][1:]
        write, refresh, total = (statistics.median(column) for column in zip(*((w, r, w + r) for w, r in times)))
        lines.append((view, change, peer, round(write, 1), "" if peer in ("nothing", "pg_ivm") else round(refresh, 1), round(total, 1)))
        print(f"{view:8} {change:34} {peer:13} {write:9.1f} ms to write, {refresh:9.1f} ms to refresh", flush=True)
    wrong = 0 if peer == "nothing" else database.wrong(view, VIEWS[view])
    if wrong:
        raise SystemExit(f"{wrong} rows of {view} are wrong with {peer}")
    database.close()


def write(path, lines):
    """Adds lines to a file that has been begun."""
    if path:
        with open(path, "a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)


def main():
    """Tries, measures and writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--csv")
    parser.add_argument("--views-csv")
    parser.add_argument("peers", nargs="+")
    options = parser.parse_args()
    kinds, figures = [], []
    try_kinds(options.peers, kinds)
    write(options.views_csv, kinds)
    for view in VIEWS:
        for peer in options.peers:
            measure(peer, view, options, figures)
    write(options.csv, figures)


main()
