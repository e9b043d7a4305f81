#!/usr/bin/python3 -B
"""Refreshes and writes that get out of memory.

A session may take a random amount more than it has at a moment (RLIMIT_DATA, which leaves
the stack alone). What fails has to fail with 53200 and leave the session usable, and once
there is memory again everything is right. 12 rounds in 15 seconds, or 150 with TEST_LONG=1.
"""
import collections
import subprocess

import psycopg2
from psycopg2 import errorcodes

import faulty

ROUNDS = 150 if faulty.LONG else 12
SETTINGS = "-c jit=off -c max_parallel_workers_per_gather=0"  # what these take is not the session's own
MOST = "UPDATE orders SET amount = amount + 0.5"
TASKS = ["CALL refresh_mv.run()", "CALL refresh_mv.run('full')", "SELECT refresh_materialized_views_smart()",
         "CALL refresh_mv.verify_all()", MOST, "SELECT count(*) FROM refresh_mv.changes('ranked', 'orders')",
         "DELETE FROM items WHERE id % 3 = 1; INSERT INTO items SELECT i, i, i FROM generate_series(1000, 9000) i"
         " ON CONFLICT (id) DO UPDATE SET n = excluded.n + 1",
         "SELECT refresh_mv.untrack('by_region'); SELECT refresh_mv.track('by_region')"]


def data_of(pid):
    """What a process has in memory of its own, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))


def limit(pid, size):
    """Limits that."""
    subprocess.run(["prlimit", f"--pid={pid}", f"--data={size}:"], check=True, **faulty.as_server_user())


def attempt(session, sql, size):
    """Executes SQL with so much more memory; returns whether it has failed."""
    limit(session.pid, data_of(session.pid) + size)
    try:
        session.execute(sql)
        return False
    except psycopg2.Error as error:
        faulty.require(error.pgcode == errorcodes.OUT_OF_MEMORY or "out of memory" in str(error),
                       sql, "failed:", error.pgcode, error)
        return True
    finally:
        limit(session.pid, "unlimited")


def one_round(server, dice):
    """Returns whether the task, done twice by a session, has failed, and how often in all."""
    sql = dice.choice(TASKS)
    server.execute(f"UPDATE orders SET amount = amount + 0.5 WHERE id % 10 = {dice.randrange(10)}")
    sizes = [int(2 ** dice.uniform(12, 23)) for _ in range(2)]
    with server.session(SETTINGS) as session:
        failed = [attempt(session, sql, size) for size in sizes]
        print(f"{sql:.50}: {sizes} bytes, failed: {failed}", flush=True)
        faulty.refresh(session)
    faulty.check_recovery(server, errorcodes.OUT_OF_MEMORY, of_states=("delta", "full"))
    return sum(failed)


def out_of_memory(dice):
    """All rounds."""
    failed = collections.Counter()
    with faulty.Server() as server:
        faulty.set_up(server)
        for _ in range(ROUNDS):
            failed[one_round(server, dice)] += 1
    faulty.require(failed[1] + failed[2] >= ROUNDS / 4, "there was always enough memory")


if __name__ == "__main__":
    faulty.main(out_of_memory)
