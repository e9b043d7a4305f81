#!/usr/bin/python3
"""Refreshes materialized views again and again: scheduler.py [SECONDS [DSN]]

Logs what each round has done. A lost connection or a failing view does not
end it. Without DSN, libpq's PGHOST, PGDATABASE and so on say where to connect.
"""
import logging
import sys
import time

import psycopg2
import psycopg2.extras


def refresh(dsn):
    """One round in a connection of its own; returns the function's row as a dict."""
    connection = psycopg2.connect(dsn, connect_timeout=10, keepalives_idle=60)
    try:
        connection.autocommit = True
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute("SELECT * FROM refresh_materialized_views_smart()")
            return dict(cursor.fetchone())
    finally:
        connection.close()


def loop(dsn, interval, rounds=None):
    """Starts a round every interval seconds, or late if the last one took longer."""
    while rounds is None or rounds > 0:
        start = time.monotonic()
        try:
            row = refresh(dsn)
            logging.log(logging.INFO if row["success"] else logging.ERROR,
                        "%(refresh_type)s refresh in %(duration_seconds).2f s: %(message)s", row)
        except psycopg2.Error as error:
            logging.error("refresh failed: %s", str(error).strip())
        if rounds is not None:
            rounds -= 1
        if rounds != 0:
            time.sleep(max(0, interval - (time.monotonic() - start)))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    loop(sys.argv[2] if len(sys.argv) > 2 else "",
         float(sys.argv[1]) if len(sys.argv) > 1 else 900)
