#!/usr/bin/python3 -B
"""Kills processes of a server with SIGKILL at random moments, or stops it at once.

- of_tracked_views: while two sessions write, another one refreshes, tracks or untracks; then
  it, a writer or the postmaster is killed, or the server is stopped at once. After recovery
  the views have to be right by the next refresh, which is a full one only where a state of
  groups is lost.
- of_full_refreshes: each view is wholly old or wholly new, as the history says, and nothing
  is left of the one that was under way.
- of_states: a crash, which empties the states of groups, is noticed: the next refresh after a
  change is full, those after it are delta again. A clean restart loses nothing.

12 and 5 kills in 30 seconds, or 110 and 25 with TEST_LONG=1.
"""
import collections
import os
import time

import faulty

KILLS, FULL_KILLS = (110, 25) if faulty.LONG else (12, 5)
# What is under way, and how often in relation to the others.
TASKS = {
    "CALL refresh_mv.run()": 4,
    "CALL refresh_mv.run(jobs => 3)": 2,
    "CALL refresh_mv.run('full', jobs => 3)": 1,
    "SELECT refresh_materialized_views_smart()": 2,
    "CALL refresh_mv.run('full')": 2,
    "SELECT refresh_mv.untrack('by_region'); SELECT refresh_mv.track('by_region');"
    " SELECT refresh_materialized_views_smart('{by_region}')": 1,
    "DROP MATERIALIZED VIEW total; CREATE MATERIALIZED VIEW total AS"
    " SELECT count(*) AS n, sum(amount) AS amount FROM orders; SELECT refresh_mv.track('total');"
    " SELECT refresh_materialized_views_smart('{total}')": 1,
}
VICTIMS = ("refresher", "refresher", "writer", "postmaster", "all at once")

# The views in the order of their refresh; those of swapped get a new file whenever the
# generation changes, the others are changed in place.
VIEWS = {"merged": "full", "swapped_long": "rebuild", "merged_of_merged": "full", "swapped": "rebuild",
         "merged_last": "full"}
ROWS = 60000
# A part of the rows of each depends on the generation.
GENERATIONS = f"""
    CREATE EXTENSION amcheck;
    CREATE EXTENSION refresh_mv;
    CREATE TABLE generation AS SELECT 1 AS g;
    CREATE TABLE facts AS SELECT i AS id, i % 100 AS part FROM generate_series(1, {ROWS}) AS i;
    ANALYZE;
    CREATE MATERIALIZED VIEW merged AS
        SELECT id, part, CASE WHEN part < 10 THEN g ELSE 0 END AS g FROM facts, generation;
    CREATE MATERIALIZED VIEW swapped_long AS
        SELECT id, g, repeat(md5(id::text), 1 + 199 * (id % 1000 = 0)::integer) AS long FROM facts, generation;
    CREATE MATERIALIZED VIEW merged_of_merged AS
        SELECT id, id + g AS key, repeat('x', 20) AS x FROM merged;
    CREATE MATERIALIZED VIEW swapped AS SELECT id, part, g FROM facts, generation;
    CREATE MATERIALIZED VIEW merged_last AS
        SELECT id * 2 + (CASE WHEN part < 20 THEN g % 2 ELSE 0 END) AS id, part FROM facts, generation;
    CREATE UNIQUE INDEX ON merged (id);
    CREATE INDEX ON merged (part);
    CREATE INDEX ON swapped_long (g, id);
    CREATE UNIQUE INDEX ON merged_of_merged (id);
    CREATE INDEX ON merged_of_merged (key);
    CREATE INDEX ON swapped (part);
    CREATE INDEX ON swapped (g, id);
    CREATE UNIQUE INDEX ON merged_last (id);
"""
INDEXES = GENERATIONS.count("INDEX ON")
# The files that a crash leaves of a view of which core was creating relations, as in any
# REFRESH: heap, TOAST table and its index, index.
FILES = {"swapped_long": 4, "swapped": 3}

STATES = """
    CREATE EXTENSION refresh_mv;
    CREATE TABLE t (id integer PRIMARY KEY, g integer, n numeric);
    INSERT INTO t SELECT i, i % 10, i / 4.0 FROM generate_series(1, 1000) i;
    CREATE MATERIALIZED VIEW by_g AS SELECT g, count(*), sum(n), count(DISTINCT n) AS numbers FROM t GROUP BY g;
    CREATE MATERIALIZED VIEW total AS SELECT count(*), sum(n) FROM t;
    CREATE MATERIALIZED VIEW largest AS SELECT g, max(n) FROM t GROUP BY g ORDER BY 2 DESC, 1 LIMIT 3;
    CREATE PUBLICATION everything FOR ALL TABLES;
    DO 'BEGIN PERFORM refresh_mv.track(); END';
"""


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


def of_tracked_views(dice):
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


class Generation:
    """What a server has before a run that is to be killed: a new generation, and views of the old one."""

    def __init__(self, server):
        self.server = server
        with server.session() as session:
            session.execute("UPDATE generation SET g = g + 1")
            self.old = {view: fingerprint(session, view) for view in VIEWS}
            (self.last,), = session.execute("SELECT max(id) FROM refresh_mv.journal")
            self.orphans = orphans(server, session)

    def journal(self, session, columns):
        """What the journal has of the runs since then, in their order."""
        return session.execute(f"SELECT {columns} FROM refresh_mv.journal WHERE id > %s ORDER BY id", self.last)

    def check(self):
        """Fails unless each view is wholly as its history says; returns that which was in flight, if any."""
        in_flight = None
        with self.server.session() as session:
            refreshed = self.journal(session, "view_name, success")
            for view in VIEWS:
                successes = [success for name, success in refreshed if name == view]
                now = fingerprint(session, view)
                if successes == [True]:
                    faulty.require(not in_flight, f"{view} was refreshed, but {in_flight} before it was not")
                    faulty.require(now != self.old[view], f"{view} is old in spite of its history")
                    check_view(session, view)
                else:
                    faulty.require(not successes, f"{view} has {successes} in the history")
                    in_flight = in_flight or view
                    faulty.require(now == self.old[view], f"{view} has changed, but its history does not say so")
            self.check_files(session, in_flight)
            check_indexes(session)
        return in_flight

    def check_files(self, session, in_flight):
        """Fails if the run has left a file behind that REFRESH would not."""
        left = orphans(self.server, session) - self.orphans
        faulty.require(len(left) <= FILES.get(in_flight, 0), f"killed in {in_flight}; files left: {left}")
        faulty.check_leftovers(session)

    def check_next_run(self):
        """Fails unless a run works and leaves all views up to date; returns what the journal has of it."""
        with self.server.session() as session:
            session.execute("CALL refresh_mv.run('full')")
            for view in VIEWS:
                check_view(session, view)
            return self.journal(session, "view_name, method, extract(epoch FROM duration)")


def fingerprint(session, view):
    """What a view holds."""
    return session.execute(f"SELECT count(*), sum(hashtextextended(v::text, 0)) FROM {view} AS v")


def check_view(session, view):
    """Fails unless a view is wholly new."""
    faulty.compare(session, view)
    (rows,), = session.execute(f"SELECT count(*) FROM {view}")
    faulty.require(rows == ROWS, f"{view} has {rows} rows")


def check_indexes(session):
    """Fails unless all indexes of the views and of the extension's tables are sound, and there."""
    faulty.check_sound(session)
    (number,), = session.execute("SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
                                 " WHERE c.relkind = 'm' AND i.indisvalid")
    faulty.require(number == INDEXES, f"the views have {number} indexes")


def orphans(server, session):
    """The files of the database's folder that belong to no relation."""
    session.execute("CHECKPOINT")
    (database,), = session.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
    nodes = session.execute("SELECT pg_relation_filenode(oid) FROM pg_class WHERE pg_relation_filenode(oid) IS NOT NULL")
    files = {name.split(".")[0].split("_")[0] for name in os.listdir(server.data / f"base/{database}")
             if name[0].isdigit()}
    return files - {str(node) for node, in nodes}


def kill_full_refresh(server, moment):
    """One round; True if a run was killed."""
    generation = Generation(server)
    task = faulty.Task(server, "CALL refresh_mv.run('full')")
    time.sleep(moment)  # the moment to be tested
    server.crash(task.session.pid)
    task.join()
    in_flight = generation.check()
    print(f"killed after {moment:.2f} s in {in_flight or 'no view'}", flush=True)
    generation.check_next_run()
    return task.seconds is None


def of_full_refreshes(dice):
    """Kills the backend of a run at random moments of the time that it takes."""
    with faulty.Server("work_mem = '64MB'") as server:
        server.execute(GENERATIONS)
        server.execute("CALL refresh_mv.run('full')")
        server.execute("ANALYZE")
        order = server.execute("SELECT view_name FROM refresh_mv.journal ORDER BY id")
        faulty.require([view for view, in order] == [*VIEWS], f"the views are refreshed in the order {order}")
        done = Generation(server).check_next_run()
        faulty.require({view: method for view, method, _ in done} == VIEWS, f"the methods are {done}")
        seconds = float(sum(duration for *_, duration in done))
        killed = tried = 0
        while killed < FULL_KILLS:
            faulty.require(tried < FULL_KILLS * 4, f"only {killed} of {tried} runs were killed")
            tried += 1
            killed += kill_full_refresh(server, dice.random() * seconds)
        server.check_log()


def check_methods(server, method, when):
    """Changes the table, refreshes the views and fails unless all are right, by that method."""
    with server.session() as session:
        session.execute("INSERT INTO t SELECT max(id) + 1, 1, 2.50 FROM t; UPDATE t SET n = n + 1 WHERE id % 7 = 3")
        done = faulty.refresh(session)
        faulty.require({view: how for view, (how, _) in done.items()} == dict.fromkeys(("by_g", "total", "largest"), method),
                       f"{when}: the methods are {done} instead of {method}")
        for view in done:
            faulty.compare(session, view)


def check_states(server, number, when):
    """Fails unless there are so many tables of states, all of them unlogged."""
    found = server.execute("SELECT count(*), count(*) FILTER (WHERE relpersistence = 'u') FROM pg_class"
                           " WHERE relname LIKE 'group\\_%' AND relkind = 'r'"
                           " AND relnamespace = 'refresh_mv'::regnamespace")
    faulty.require(found == [(number, number)], f"{when} there are {found} tables of states")


def of_states(_dice):
    """Stops the server in several ways, and looks at the states of groups."""
    with faulty.Server() as server:
        server.execute(STATES)
        check_methods(server, "full", "the first refresh")
        check_methods(server, "delta", "a change")
        check_states(server, 4, "with all views")
        for stop, first in ("fast", "delta"), ("immediate", "full"):
            server.stop(stop)
            server.start()
            check_methods(server, first, f"a change after the stop {stop}")
            check_methods(server, "delta", f"another change after the stop {stop}")
        server.execute("DROP MATERIALIZED VIEW total")
        server.execute("SELECT refresh_mv.untrack('largest')")
        check_states(server, 2, "without two views")
        server.execute("DROP SCHEMA public CASCADE")
        left = server.execute("SELECT relname FROM pg_class WHERE relname LIKE 'group\\_%'")
        faulty.require(not left, f"at last there are {left}")
        server.check_log()


def kills(dice):
    """All tests."""
    of_tracked_views(dice)
    of_full_refreshes(dice)
    of_states(dice)


if __name__ == "__main__":
    faulty.main(kills)
