#!/usr/bin/python3 -B
"""Kills processes of a server with SIGKILL at random moments.

While two sessions write, another one refreshes, tracks or untracks; then it, a writer or
the postmaster is killed, or the server is stopped at once. After recovery the views have
to be right by the next refresh, which is a full one only where a state of groups is lost.
12 kills in 20 seconds, or 110 with TEST_LONG=1.
"""
import collections
import time

import faulty

KILLS = 110 if faulty.LONG else 12
# What is under way, and how often in relation to the others.
TASKS = {
    "CALL refresh_mv.run()": 4,
    "SELECT refresh_materialized_views_smart()": 2,
    "CALL refresh_mv.run('full')": 2,
    "SELECT refresh_mv.untrack('by_region'); SELECT refresh_mv.track('by_region');"
    " SELECT refresh_materialized_views_smart('{by_region}')": 1,
    "DROP MATERIALIZED VIEW total; CREATE MATERIALIZED VIEW total AS"
    " SELECT count(*) AS n, sum(amount) AS amount FROM orders; SELECT refresh_mv.track('total');"
    " SELECT refresh_materialized_views_smart('{total}')": 1,
}
VICTIMS = ("refresher", "refresher", "writer", "postmaster", "all at once")


def kill(server, victim, task, writers):
    """Kills a process, and waits until the server is there again."""
    if victim == "refresher":
        faulty.kill(task.session.pid)
    elif victim == "writer":
        faulty.kill(writers.sessions[0].pid)
    elif victim == "postmaster":
        faulty.kill(server.postmaster())
    else:
        server.stop("immediate")
    writers.join()
    task.join()
    if victim in ("postmaster", "all at once"):
        server.start()
    server.await_connections()


def one_kill(server, dice, seconds):
    """One round; returns what was done and what was killed, and whether it was under way."""
    sql, = dice.choices([*TASKS], [*TASKS.values()])
    victim = dice.choice(VICTIMS)
    server.execute(f"UPDATE orders SET amount = amount + 0.5 WHERE id % 10 = {dice.randrange(10)}")
    with faulty.Writers(server) as writers:
        task = faulty.Task(server, sql)
        time.sleep(dice.random() * seconds[sql])  # the moment to be tested
        kill(server, victim, task, writers)
    print(f"killed {victim} during", "what ended" if task.seconds else f"{sql:.50}", flush=True)
    faulty.check_recovery(server, of_states=("full",))
    writers.check(server)
    return sql, victim, task.seconds is None


def kills(dice):
    """All rounds."""
    done = collections.Counter()
    with faulty.Server() as server:
        faulty.set_up(server)
        seconds = faulty.durations(server, TASKS)
        while sum(done.values()) < KILLS:
            sql, victim, hit = one_kill(server, dice, seconds)
            done[victim, sql if hit else "what ended"] += 1
        print(server.execute("SELECT method, count(*) FROM refresh_mv.history GROUP BY 1"))
    for (victim, sql), times in sorted(done.items()):
        print(f"{times} times {victim} during {sql:.60}")


if __name__ == "__main__":
    faulty.main(kills)
