#!/usr/bin/python3
"""Tests that exact refreshes read what has changed and not what is there.

Views of every kind read tables of some thousand pages. After a few changes a smart
refresh may touch only a small part of as many pages as the view's query does.
"""
import sys

import psycopg2

DATABASE = "refresh_mv_exact_buffers"
SHARE = 0.4  # of the pages that the query touches
SETUP = """
    CREATE EXTENSION refresh_mv;
    CREATE TABLE regions (region integer PRIMARY KEY, name text NOT NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, day date NOT NULL, region integer NOT NULL, total numeric, note text);
    CREATE TABLE items (order_id bigint, line integer, price integer, PRIMARY KEY (order_id, line));
    INSERT INTO regions SELECT i, 'region ' || i FROM generate_series(1, 20000) i;
    INSERT INTO orders SELECT i, date '2020-01-01' + i / 100, i % 20000 + 1, i % 1000 / 8.0, repeat('x', 40)
        FROM generate_series(1, 100000) i;
    INSERT INTO items SELECT i / 3 + 1, i % 3, i % 500 FROM generate_series(0, 299999) i;
    CREATE INDEX ON orders (day);
    CREATE INDEX ON orders (region);
"""
VIEWS = {
    "by_day": ("delta", """SELECT o.day, r.name, count(*) AS n, sum(o.total) AS total, avg(i.price) AS price,
        min(i.price) AS low, count(DISTINCT o.id) AS orders
        FROM orders o JOIN regions r USING (region) LEFT JOIN items i ON i.order_id = o.id GROUP BY o.day, r.name"""),
    "lines": ("keys", "SELECT o.id, o.day, i.line, i.price FROM orders o JOIN items i ON i.order_id = o.id"),
    "lists": ("keys", "SELECT day, string_agg(total::text, ',' ORDER BY id) AS totals FROM orders GROUP BY day"),
    "ranks": ("keys", "SELECT id, day, total, rank() OVER (PARTITION BY day ORDER BY total) FROM orders"),
    "latest": ("keys", "SELECT DISTINCT ON (day) day, id, total FROM orders ORDER BY day, id DESC"),
    "open": ("keys", """SELECT o.id, o.total, (SELECT sum(i.price) FROM items i WHERE i.order_id = o.id) AS price
        FROM orders o WHERE EXISTS (SELECT FROM items i WHERE i.order_id = o.id AND i.price > 3)"""),
}
KEYS = {"lines": "id", "open": "id"}  # by which they are found in the view, if not by day
CHANGES = """
    INSERT INTO orders VALUES (200001, '2023-01-01', 7, 12.5, NULL), (200002, '2023-01-01', 8, 0.25, NULL);
    INSERT INTO items VALUES (200001, 1, 9), (200001, 2, 400);
    UPDATE orders SET total = total + 1 WHERE id IN (17, 50000);
    DELETE FROM items WHERE order_id = 60000;
    UPDATE regions SET name = 'renamed' WHERE region = 77;
"""


def connect(database):
    connection = psycopg2.connect(dbname=database, options="-c client_min_messages=error")
    connection.autocommit = True
    return connection


def value(cursor, sql, *parameters):
    cursor.execute(sql, parameters)
    return cursor.fetchone()[0]


def pages(cursor, sql):
    """The pages of tables and their indexes that a statement touches, in memory or not."""
    before = touched(cursor)
    cursor.execute(sql)
    return int(touched(cursor) - before)


def touched(cursor):
    cursor.execute("SELECT pg_stat_force_next_flush()")
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    return value(cursor, """SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)
        FROM pg_statio_user_tables WHERE schemaname = 'public'""")


def problems(cursor, view):
    """What is wrong with a refresh of a view after the changes."""
    method, query = VIEWS[view]
    whole = pages(cursor, query)
    exact = pages(cursor, f"SELECT * FROM refresh_materialized_views_smart('{{{view}}}')")
    used = value(cursor, "SELECT method || ': ' || reason FROM refresh_mv.history ORDER BY started DESC LIMIT 1")
    wrong = value(cursor, f"SELECT count(*) FROM ((TABLE {view} EXCEPT ALL ({query}))"
                          f" UNION ALL (({query}) EXCEPT ALL TABLE {view})) d")
    if not used.startswith(method + ":"):
        yield f"{view}: {used} instead of {method}"
    if wrong:
        yield f"{view}: {wrong} rows differ"
    if exact > whole * SHARE:
        yield f"{view}: {exact} pages were touched, the query touches {whole}"
    print(f"{view}: {used}, {exact} pages of {whole}")


def main():
    with connect("postgres").cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
    with connect(DATABASE).cursor() as cursor:
        cursor.execute(SETUP)
        for view, (_, query) in VIEWS.items():
            cursor.execute(f"CREATE MATERIALIZED VIEW {view} AS {query}")
            cursor.execute(f"CREATE INDEX ON {view} ({KEYS.get(view, 'day')})")
        cursor.execute("SELECT refresh_mv.track()")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT refresh_materialized_views_smart()")
        cursor.execute(CHANGES)
        found = [problem for view in VIEWS for problem in problems(cursor, view)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
