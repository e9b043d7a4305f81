#!/usr/bin/python3
"""Tests that a crash costs no full refresh where refresh_mv.logged_states is set.

A server is killed, or stopped at once, with changes waiting. The first smart refresh after that takes these in by delta if
the states of views are logged, and is a full one of the views with a state if they are not; all views are right either
way. States do not go to subscribers: with a publication of all tables they are not logged, and those that were become
useless. Prints what the first refresh took, and what WAL the refreshes wrote.

logged_states.py [SEED]; TEST_LONG=1 takes 3,000,000 rows instead of 200,000.
"""
import time

import faulty
from faulty import WITH_STATE

ROWS = 3_000_000 if faulty.LONG else 200_000
BIG = f"""
    CREATE TABLE sales (id integer PRIMARY KEY, shop integer NOT NULL, day date NOT NULL, amount numeric(12, 2) NOT NULL);
    INSERT INTO sales SELECT i, i % 500, date '2024-01-01' + i % 400, i % 9973 / 100.0 FROM generate_series(1, {ROWS}) i;
    CREATE MATERIALIZED VIEW by_shop_and_day AS
        SELECT shop, day, count(*) AS n, sum(amount) AS amount, max(amount) AS most FROM sales GROUP BY shop, day;
    SELECT refresh_mv.track('by_shop_and_day');
"""
CHANGE_BIG = "UPDATE sales SET amount = amount + 1 WHERE id % 1000 = {}"


def smart(session):
    """Refreshes the large view; returns the method, milliseconds, and bytes of WAL."""
    (before,), = session.execute("SELECT pg_current_wal_insert_lsn()")
    start = time.monotonic()
    session.execute("SELECT refresh_materialized_views_smart('{by_shop_and_day}')")
    milliseconds = (time.monotonic() - start) * 1000
    (method, wal), = session.execute(
        "SELECT last_method, pg_current_wal_insert_lsn() - %s::pg_lsn FROM refresh_mv.status WHERE name = 'by_shop_and_day'",
        before)
    return method, milliseconds, int(wal)


def report(what, outcome, expected):
    """Prints what a refresh was, and fails unless it was by that method."""
    method, milliseconds, wal = outcome
    print(f"{what}: {method}, {milliseconds:.0f} ms, {wal / 1024:.0f} kB of WAL", flush=True)
    faulty.require(method == expected, f"{what}: {method} instead of {expected}")


def states(session):
    """How the tables of states are kept."""
    return {kept for kept, in session.execute(
        "SELECT relpersistence FROM pg_class WHERE relkind = 'r' AND relname ~ '^group_(state|values)_'")}


def crash_and_look(server, way, logged):
    """Stops the server one way or the other with changes waiting; the first refreshes are what they should be."""
    method = "delta" if logged else "full"
    name = "logged" if logged else "unlogged"
    with server.session() as session:
        session.execute(CHANGE_BIG.format(7))
        report(f"{name}, before the {way}", smart(session), "delta")
        session.execute(faulty.CHANGE)
        session.execute(CHANGE_BIG.format(8))
    if way == "kill":
        faulty.kill(server.postmaster())
    else:
        server.stop("immediate")
    server.start()
    server.await_connections()
    with server.session() as session:
        report(f"{name}, after the {way}", smart(session), method)
        methods = faulty.refresh(session)
        faulty.check_methods({view: methods[view] for view in faulty.METHODS}, ("delta",) if logged else ("full",))
        faulty.check_views(session, tuple(faulty.METHODS) + ("by_shop_and_day",))
        session.execute(CHANGE_BIG.format(9))
        report(f"{name}, once more", smart(session), "delta")
        faulty.check_views(session, ("by_shop_and_day",))


def refresh_in_full(server):
    """Makes all states anew."""
    server.execute("CALL refresh_mv.run('full')")


def check_publications(server):
    """With a publication of all tables nothing of a state is sent, nor does a refresh fail."""
    with server.session() as session:
        faulty.require(states(session) == {"p"}, "states are not logged:", states(session))
        session.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        # Core asks tables that are sent for a replica identity; those that we write to as ever have one.
        session.execute(CHANGE_BIG.format(10))
        report("once published", smart(session), "full")
        session.execute(CHANGE_BIG.format(11))
        report("unlogged because of it", smart(session), "delta")
        session.execute("CALL refresh_mv.run('full')")
        faulty.require(states(session) == {"u"}, "states that are published:", states(session))
        session.execute("DROP PUBLICATION everything")
        faulty.check_views(session, ("by_shop_and_day",))


def test(dice):
    """All of it, the two ways to stop a server in any order."""
    with faulty.Server("wal_level = logical") as server:
        faulty.set_up(server)
        server.execute(BIG)
        ways = ["kill", "immediate stop"]
        dice.shuffle(ways)
        for logged in (False, True):
            with server.session() as session:
                session.execute("LOAD 'refresh_mv'")
                session.execute(f"ALTER SYSTEM SET refresh_mv.logged_states = {'on' if logged else 'off'}")
                session.execute("SELECT pg_reload_conf()")
                faulty.await_true(lambda: session.execute("SHOW refresh_mv.logged_states")[0][0] == ("on" if logged else "off"),
                                  "the setting is known")
            refresh_in_full(server)
            for way in ways:
                crash_and_look(server, way, logged)
        check_publications(server)
        server.check_log()
    print(f"{len(WITH_STATE) + 1} views with a state, {ROWS} rows")


faulty.main(test)
