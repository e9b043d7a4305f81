#!/usr/bin/python3
"""Tests that live() with a condition reads what the condition asks for, on both sides.

Views of every kind read tables of some thousand pages, of which a few rows have changed. What live() reads of a view by
its grouping column, or its key, may be a small part of the pages of the view's query, and fewer than for all rows: as
the planner likes it, and where it has to go by the changes.
"""
import json
import re
import sys

sys.dont_write_bytecode = True  # nothing is left in this folder

# pylint: disable=wrong-import-position
import exact_buffers
from exact_buffers import connect, value

DATABASE = "refresh_mv_live_buffers"
SHARE = 0.15  # of the pages that the whole query touches
CHANGES = """
    INSERT INTO orders VALUES (200001, '2023-01-01', 7, 12.5, NULL), (200002, '2023-01-01', 8, 0.25, NULL);
    INSERT INTO items VALUES (200001, 1, 9), (200001, 2, 400);
    UPDATE orders SET total = total + 1 WHERE id IN (17, 50000);
"""
SOME = {"lines": "id IN (17, 200001)", "open": "id = 200001"}  # if not of a day that has changed


def read(cursor, sql):
    """The pages that a query touches, and the ways that live() goes in it."""
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    plan = cursor.fetchone()[0][0]["Plan"]
    ways = re.findall(r'"Way": "(\w+)"', json.dumps(plan))
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], ways


def main():
    """Measures all views."""
    admin = connect("postgres").cursor()
    admin.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    admin.execute(f"CREATE DATABASE {DATABASE}")
    cursor = connect(DATABASE).cursor()
    cursor.execute(exact_buffers.SETUP)
    wrong = 0
    for view, (_, query) in exact_buffers.VIEWS.items():
        cursor.execute(f"CREATE MATERIALIZED VIEW {view} AS {query}")
        cursor.execute(f"CREATE INDEX ON {view} ({exact_buffers.KEYS.get(view, 'day')})")
        cursor.execute(f"SELECT refresh_mv.create_live_view('{view}', 'live_{view}')")
    cursor.execute("VACUUM ANALYZE")
    cursor.execute("SELECT refresh_mv.track()")
    cursor.execute("SELECT refresh_materialized_views_smart()")
    cursor.execute("VACUUM ANALYZE")
    cursor.execute(CHANGES)
    for view, (_, query) in exact_buffers.VIEWS.items():
        condition = SOME.get(view, "day = '2023-01-01'")
        whole, _ = read(cursor, query)
        for limit, expected in ((1, {"query", "delta", "keys"}), (1e9, {"delta", "keys"})):
            cursor.execute(f"SET refresh_mv.exact_cost_limit = {limit}")
            all_pages, _ = read(cursor, f"SELECT * FROM live_{view}")
            some, ways = read(cursor, f"SELECT * FROM live_{view} WHERE {condition}")
            rows = value(cursor, f"SELECT count(*) FROM live_{view} WHERE {condition}")
            right = value(cursor, f"SELECT count(*) FROM ({query}) q WHERE {condition}")
            bad = some >= all_pages or some > SHARE * whole or not set(ways) <= expected or rows != right or not rows
            print(f"{view}: {some} of {all_pages} pages by {ways}, its query {whole}, {rows} rows{': wrong' * bad}")
            wrong += bad
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
