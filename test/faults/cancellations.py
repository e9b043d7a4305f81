#!/usr/bin/python3 -B
"""Cancels refreshes and writers, ends their sessions, and lets their timeouts run out, at
random moments.

Whatever is given up leaves nothing behind; not even the state of a view's groups has to be
made anew. 20 rounds in 20 seconds, or 250 with TEST_LONG=1.
"""
import collections
import time

from psycopg2 import errorcodes

import faulty

ROUNDS = 250 if faulty.LONG else 20
# A refresh under the snapshot of a run fails if the view has been refreshed on commit since.
EXPECTED = errorcodes.QUERY_CANCELED, errorcodes.LOCK_NOT_AVAILABLE, errorcodes.SERIALIZATION_FAILURE
TASKS = [
    "CALL refresh_mv.run()",
    "CALL refresh_mv.run('full')",
    "CALL refresh_mv.run(wait => true)",
    "CALL refresh_mv.run(jobs => 3)",
    "CALL refresh_mv.run('full', jobs => 3)",
    "CALL refresh_mv.run('full', jobs => 2, one_snapshot => true)",
    "SELECT refresh_materialized_views_smart()",
    "SELECT refresh_mv.untrack('by_region'); SELECT refresh_mv.track('by_region');"
    " SELECT refresh_materialized_views_smart('{by_region}')",
    "SELECT refresh_mv.verify('notes'), refresh_mv.verify('by_region')",
]


class Round:
    """A task, a moment, and writers beside it."""

    def __init__(self, server, dice, sql, longest):
        self.server = server
        self.dice = dice
        self.sql = sql
        self.moment = dice.random() * longest
        self.milliseconds = max(1, int(self.moment * 1000))

    def when_it_comes(self, function):
        """Does the task, and asks the server to do that to its session at the moment."""
        task = faulty.Task(self.server, self.sql)
        time.sleep(self.moment)  # the moment to be tested
        self.server.execute(f"SELECT {function}({task.session.pid})")
        return task

    def cancel(self, _writers):
        """Cancels the task."""
        return self.when_it_comes("pg_cancel_backend")

    def terminate(self, _writers):
        """Ends the task's session."""
        return self.when_it_comes("pg_terminate_backend")

    def statement_timeout(self, _writers):
        """Lets the task take a random time."""
        return faulty.Task(self.server, self.sql, f"-c statement_timeout={self.milliseconds}")

    def timeout_of_view(self, _writers):
        """Lets the refresh of a view take a random part of the time that it takes."""
        view = self.dice.choice([*faulty.METHODS])
        longest, = self.server.execute("SELECT coalesce(max(duration), '10 ms') FROM refresh_mv.history"
                                       f" WHERE view = 'public.{view}'")[0]
        timeout = max(1, int(self.dice.random() * longest.total_seconds() * 1000))
        self.server.execute(f"SELECT refresh_mv.configure('{view}', statement_timeout => '{timeout}ms')")
        task = faulty.Task(self.server, self.sql)
        task.thread.join()
        self.server.execute(f"SELECT refresh_mv.configure('{view}', statement_timeout => NULL)")
        return task

    def lock_timeout(self, _writers):
        """Lets the task wait for a lock for a random time."""
        relation = self.dice.choice([*faulty.METHODS, "orders", "customers", "items"])
        with self.server.session() as session:
            session.execute(f"BEGIN; LOCK TABLE {relation} IN ACCESS EXCLUSIVE MODE" if relation not in faulty.METHODS
                            else f"BEGIN; ALTER MATERIALIZED VIEW {relation} SET (autovacuum_enabled = on)")
            task = faulty.Task(self.server, self.sql, f"-c lock_timeout={self.milliseconds}")
            task.thread.join()
        return task

    def cancel_writers(self, writers):
        """Cancels what the writers are doing, again and again."""
        task = faulty.Task(self.server, self.sql)
        with self.server.session() as session:
            while task.thread.is_alive():
                session.execute(f"SELECT pg_cancel_backend({self.dice.choice(writers.sessions).pid})")
                time.sleep(self.dice.random() * 0.02)
        return task


# How often in relation to the others.
FAULTS = {Round.cancel: 2, Round.terminate: 1, Round.statement_timeout: 2, Round.timeout_of_view: 4,
          Round.lock_timeout: 1, Round.cancel_writers: 2}


def one_round(server, dice, seconds):
    """Returns the fault, and how the task and the writers have fared."""
    sql = dice.choice(TASKS)
    fault, = dice.choices([*FAULTS], [*FAULTS.values()])
    server.execute(f"UPDATE orders SET amount = amount + 0.5 WHERE id % 10 = {dice.randrange(10)}")
    with faulty.Writers(server, *EXPECTED) as writers:
        task = fault(Round(server, dice, sql, seconds[sql]), writers)
        task.join(*EXPECTED)
    print(f"{fault.__name__}: {sql:.50}: {str(task.error or 'done'):.60}", f"{writers.refused} transactions cancelled",
          sep="; ", flush=True)
    faulty.check_recovery(server, *EXPECTED, of_states=("delta", "full") if "untrack" in sql else ("delta",))
    writers.check(server)
    return fault.__name__, task.error is not None, writers.refused


def cancellations(dice):
    """All rounds."""
    failed = collections.Counter()
    refused = 0
    with faulty.Server() as server:
        faulty.set_up(server)
        seconds = faulty.durations(server, TASKS)
        for _ in range(ROUNDS):
            name, has_failed, others = one_round(server, dice, seconds)
            failed[name] += has_failed
            refused += others
    print(f"failed: {dict(failed)}, and {refused} transactions of writers")
    faulty.require(sum(failed.values()) >= ROUNDS / 5, "too few tasks were cancelled")


if __name__ == "__main__":
    faulty.main(cancellations)
