#!/usr/bin/python3 -B
"""Restarts a server while a transaction is prepared: one that has changed tables, or one
that has refreshed views as well.

What it has done is not there before COMMIT PREPARED, and is seen by the next refresh after
it. 6 rounds in 15 seconds, or 60 with TEST_LONG=1.
"""
import itertools

import faulty

ROUNDS = 60 if faulty.LONG else 6
CHANGES = """UPDATE orders SET amount = amount + 1 WHERE id % 50 = 3;
    INSERT INTO orders VALUES (1000000, 7, 1, 5, 'prepared') ON CONFLICT (id) DO UPDATE SET amount = orders.amount + 1;
    UPDATE customers SET name = name || '!' WHERE id = 7;"""
EXACT = "SELECT refresh_materialized_views_smart('{by_region,joined}')"
FULL = "SELECT refresh_materialized_views(views => '{by_region,joined}')"
# What is prepared, and the views that are locked until that ends.
WORK = {
    "changes": (CHANGES, []),
    "changes of a view refreshed on commit": (CHANGES + "UPDATE items SET n = n + 1 WHERE id % 7 = 3", []),
    "an exact refresh": (CHANGES + EXACT, ["by_region", "joined"]),
    "a full refresh": (CHANGES + FULL, ["by_region", "joined"]),
}
STOPS = ["fast", "immediate", "kill"]


def restart(server, how):
    """Stops the server in one of these ways, and starts it again."""
    if how == "kill":
        faulty.kill(server.postmaster())
    else:
        server.stop(how)
    server.start()


def refresh_others(session, locked):
    """Changes tables and refreshes views; all but those that are locked must be right then."""
    session.execute("UPDATE orders SET amount = amount + 0.25 WHERE id % 100 = 9")
    for view, (method, reason) in faulty.refresh(session).items():
        faulty.require((method == "none") == (view in locked), f"{view} was refreshed by {method}: {reason}")
    faulty.check_views(session, [view for view in faulty.METHODS if view not in locked])


def one_round(server, dice, name, stop):
    """Prepares a transaction, restarts the server, and commits the transaction or rolls it back."""
    work, locked = WORK[name]
    end = dice.choice(["COMMIT", "ROLLBACK"])
    print(f"{name}, {stop}, {end}", flush=True)
    before, = server.execute("SELECT sum(amount) FROM orders WHERE id = 1000000")[0]
    server.execute(f"BEGIN; {work}; PREPARE TRANSACTION 'p'")
    with server.session() as session:
        refresh_others(session, locked)
    restart(server, stop)
    with server.session() as session:
        refresh_others(session, locked)
        session.execute(f"{end} PREPARED 'p'")
        after, = session.execute("SELECT sum(amount) FROM orders WHERE id = 1000000")[0]
        faulty.require((before != after) == (end == "COMMIT"), f"{before} became {after}")
    faulty.check_recovery(server, of_states=("full", "delta"))
    shown, = server.execute("SELECT sum(amount) FROM joined WHERE id = 1000000")[0]
    faulty.require(shown == after, f"the view has {shown} instead of {after}")


def prepared(dice):
    """All rounds."""
    cases = [*itertools.product(WORK, STOPS)]
    with faulty.Server("max_prepared_transactions = 4") as server:
        faulty.set_up(server)
        while len(cases) < ROUNDS:
            cases *= 2
        for name, stop in dice.sample(cases, ROUNDS):
            one_round(server, dice, name, stop)


if __name__ == "__main__":
    faulty.main(prepared)
