#!/usr/bin/python3 -B
"""Interrupts a full refresh in chunks ten times while two sessions write, and lets it end.

The backend is killed, its session is terminated, its statement is cancelled, the server is
stopped at once and its postmaster is killed: each at a moment when another chunk has been
committed. Whatever was committed is not done again. Rows change meanwhile in what is done and
in what is not, move from one to the other and lose their date; some changes are taken back. At
the end the tracked view has a baseline from which a smart refresh goes on by its changes, and
equals its query. A view of groups has its state again.

300,000 rows in 40 seconds, or 10 million with TEST_LONG=1: that prints how long it took, and
the most memory that a session at work had for itself.
"""
import contextlib
import itertools
import random
import time

import psycopg2

import faulty

ROWS = 10_000_000 if faulty.LONG else 300_000
MONTHS = 120
INTERRUPTIONS = ("kill", "cancel", "terminate", "immediate", "postmaster") * 2
# A backend notices only when it waits that the postmaster is gone.
PAUSES = ", max_wal_rate => '50 kB'"
LONGEST = 3600  # seconds
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE kinds (id integer PRIMARY KEY, name text NOT NULL);
    CREATE TABLE facts (id integer PRIMARY KEY, day date, kind integer NOT NULL, n bigint NOT NULL);
    INSERT INTO kinds SELECT i, 'kind ' || i FROM generate_series(0, 99) AS i;
    INSERT INTO facts SELECT i, CASE WHEN i % 1000 <> 7 THEN date '2025-12-31' - (i::bigint * {MONTHS} * 30 / {ROWS})::integer END,
        i % 100, i FROM generate_series(0, {ROWS} - 1) AS i;
    CREATE INDEX ON facts (day);
    CREATE MATERIALIZED VIEW detail AS
        SELECT f.id, f.day, k.name, f.n FROM facts AS f JOIN kinds AS k ON k.id = f.kind;
    CREATE UNIQUE INDEX ON detail (id);
    CREATE INDEX ON detail (day);
    CREATE MATERIALIZED VIEW per_day AS
        SELECT f.day, k.name, count(*) AS facts, sum(f.n) AS n, count(DISTINCT f.n % 10) AS digits
        FROM facts AS f JOIN kinds AS k ON k.id = f.kind GROUP BY f.day, k.name;
    CREATE INDEX ON per_day (day);
    UPDATE facts SET n = -n WHERE id % 10 = 1;
    UPDATE facts SET day = day - 400 WHERE id % 500 = 3;
    DELETE FROM facts WHERE id % 500 = 2;
    VACUUM ANALYZE;
    SELECT refresh_mv.track('detail'), refresh_mv.track('per_day');
"""


class Writers(faulty.Background):
    """Two sessions that change rows until the with statement ends; they come back after a crash."""

    def __init__(self, server):
        super().__init__(2)
        self.server = server
        self.count = itertools.count()

    def work(self, number):
        """The body of a thread."""
        dice = random.Random(number)
        while not self.end.is_set():
            try:
                with self.server.session() as session:
                    while not self.end.is_set():
                        session.execute(statement(dice, number))
                        next(self.count)
                        time.sleep(0.01)  # as much as a refresh can follow
            except psycopg2.OperationalError:
                time.sleep(0.05)  # the server is down
            except psycopg2.Error as error:
                self.problems.append(error)
                return


def statement(dice, number):
    """One that changes some rows of a writer: their ids are odd or even."""
    row = dice.randrange(ROWS // 2) * 2 + number
    return dice.choice([
        "UPDATE facts SET n = n + 1 WHERE id = {row}",
        "UPDATE facts SET n = -n WHERE id = {row}",  # twice is nothing
        "UPDATE facts SET n = -n WHERE id BETWEEN {row} AND {row} + 40 AND id % 2 = {number}",
        "UPDATE facts SET day = date '2025-12-30' - {some} WHERE id = {row}",
        "UPDATE facts SET day = date '2016-02-01' + {some} WHERE id = {row}",
        "UPDATE facts SET day = NULL WHERE id = {row}",
        "UPDATE facts SET kind = {some} WHERE id = {row}",
        "DELETE FROM facts WHERE id = {row}",
        "INSERT INTO facts VALUES ({row}, date '2025-12-01' - {some} * 30, {some}, {some})"
        " ON CONFLICT (id) DO UPDATE SET day = EXCLUDED.day",
    ]).format(row=row, some=dice.randrange(100), number=number)


def chunks_done(server, view):
    """How many chunks of a refresh are done that has not ended."""
    with contextlib.suppress(psycopg2.OperationalError):
        done = server.execute(f"SELECT chunks FROM refresh_mv.unfinished WHERE view = '{view}'::regclass")
        return done[0][0] if done else 0
    return 0


def own_memory(pid):
    """The memory that a process has for itself, in MB."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
            return max((int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon")), default=0)
    return 0


class Refresh:
    """A refresh of a view in chunks, by several calls."""

    def __init__(self, server, view, chunk):
        self.server = server
        self.view = view
        self.sql = f"CALL refresh_mv.run('full', views => '{{{view}}}', chunk => '{chunk}', wait => true%s)"
        self.memory = 0
        self.start = time.monotonic()

    def call(self, options=""):
        """A call, under way."""
        return faulty.Task(self.server, self.sql % options, "-c statement_timeout=0")

    def watch(self, task, condition):
        """Waits for a condition while the call goes on."""
        end = time.monotonic() + LONGEST
        while task.thread.is_alive() and not condition():
            self.memory = max(self.memory, own_memory(task.session.pid))
            faulty.require(time.monotonic() < end, f"{self.sql} does not end")
            time.sleep(0.005)

    def interrupt(self, how, chunks):
        """Lets it do more chunks than so many, and ends it; returns how many are done then."""
        task = self.call(PAUSES if how == "postmaster" else "")
        self.watch(task, lambda: chunks_done(self.server, self.view) > chunks)
        faulty.require(task.thread.is_alive(), f"a call to be ended by {how} has ended:", task.error)
        if how == "kill":
            self.server.crash(task.session.pid)
        elif how == "cancel":
            self.server.execute(f"SELECT pg_cancel_backend({task.session.pid})")
        elif how == "terminate":
            self.server.execute(f"SELECT pg_terminate_backend({task.session.pid})")
        elif how == "immediate":
            self.server.stop("immediate")
            self.server.start()
        else:
            faulty.kill(self.server.postmaster())
            task.join()
            self.server.start()
        self.server.await_connections()
        task.join("57014", "57P01")
        faulty.require(task.seconds is None, f"a call was not ended by {how}")
        done = chunks_done(self.server, self.view)
        faulty.require(done > chunks, f"{done} of {chunks} chunks are left after {how}")
        return done

    def finish(self):
        """Lets it end; returns what the history says."""
        task = self.call()
        self.watch(task, lambda: False)
        faulty.require(task.error is None, task.error)
        print(f"{self.view}: {time.monotonic() - self.start:.1f} s in all, at most {self.memory} MB for itself", flush=True)
        return faulty.last_refresh(self.server, self.view, "method, success, reason, duration")


def check(server, view, methods):
    """Fails unless a smart refresh goes on by the changes, and the view equals its query then."""
    with server.session("-c statement_timeout=0") as session:
        session.execute(f"SELECT refresh_materialized_views_smart('{{{view}}}')")
        method, reason = faulty.last_refresh(session, view, "method, reason")
        faulty.require(method in methods, f"{view} was refreshed by {method}: {reason}")
        (query,), = session.execute(f"SELECT rtrim(pg_get_viewdef('{view}'), ';')")
        wrong, = session.execute(f"SELECT (SELECT count(*) FROM (TABLE {view} EXCEPT ALL ({query})) AS a),"
                                 f" (SELECT count(*) FROM (({query}) EXCEPT ALL TABLE {view}) AS b)")
        faulty.require(wrong == (0, 0), f"{view} has {wrong[0]} rows too many and lacks {wrong[1]}")


def refresh(server, view, methods):
    """Interrupts a refresh of a view, and lets it end."""
    work = Refresh(server, view, "1 month")
    done = 0
    with Writers(server) as writers:
        for how in INTERRUPTIONS:
            done = work.interrupt(how, done + (0 if how == "postmaster" else 2))
            print(f"{view}: {how} after {done} chunks", flush=True)
        # What is changed and changed back nets to nothing, whatever a chunk has seen of it.
        server.execute("UPDATE facts SET n = n + 1000000 WHERE id % 997 = 5")
        work.interrupt("cancel", done + 1)
        server.execute("UPDATE facts SET n = n - 1000000 WHERE id % 997 = 5")
        method, success, reason, duration = work.finish()
        print(f"{view}: {reason} ({duration}), {next(writers.count)} statements by writers", flush=True)
    faulty.require((method, success) == ("full", True), method, success)
    chunks = int(reason.split(" chunks")[0].split()[-1])
    earlier = int(reason.split(" of them by earlier calls")[0].split()[-1])
    faulty.require(earlier >= 2 * len(INTERRUPTIONS) and "anew" not in reason and "own time" not in reason, reason)
    faulty.require(MONTHS - 4 <= chunks <= MONTHS + 20, reason)
    check(server, view, methods)


def chunks(_dice):
    """All tests."""
    with faulty.Server("shared_buffers = '512MB'", "max_wal_size = '2GB'") as server:
        with server.session("-c statement_timeout=0") as session:
            for part in SETUP.split(";\n"):
                if part.strip():
                    session.execute(part)
        refresh(server, "detail", ("keys", "skip"))
        refresh(server, "per_day", ("delta", "skip"))
        server.check_log()


if __name__ == "__main__":
    faulty.main(chunks)
