#!/usr/bin/python3 -B
"""What a refresh in chunks waits for, and what other sessions do meanwhile.

- Between chunks it holds no snapshot and no lock on a relation, and can be cancelled.
- It waits for a standby that does not replay, and goes on when that does; it waits so that it
  writes no more WAL than it may.
- Others leave a tracked view to it, or wait; a full refresh by another session ends it.
"""
import time

import faulty

ROWS = 30_000
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE facts (id integer PRIMARY KEY, day date NOT NULL, n bigint NOT NULL);
    INSERT INTO facts SELECT i, date '2025-12-31' - i / 100, i FROM generate_series(0, {ROWS} - 1) AS i;
    CREATE INDEX ON facts (day);
    CREATE MATERIALIZED VIEW v AS SELECT id, day, n FROM facts;
    CREATE UNIQUE INDEX ON v (id);
    CREATE INDEX ON v (day);
    CREATE MATERIALIZED VIEW untracked AS SELECT day, sum(n) AS n FROM facts GROUP BY day;
    SELECT refresh_mv.track('v');
"""
CALL = "CALL refresh_mv.run('full', views => '{%s}', chunk => '1 month'%s)"
SLOW = ", max_wal_rate => '1 kB'"


def phase(server, task):
    """What the call says that it is doing."""
    (text,), = server.execute(f"SELECT query FROM pg_stat_activity WHERE pid = {task.session.pid}")
    return text


def await_pause(server, task, what):
    """Waits until a call pauses."""
    faulty.await_true(lambda: f": {what}," in phase(server, task), lambda: f"{what}: {phase(server, task)} {task.error}")


def check_idle(server, task):
    """Fails if a call that pauses keeps others from anything."""
    kept = server.execute(f"SELECT backend_xmin, backend_xid FROM pg_stat_activity WHERE pid = {task.session.pid}")
    faulty.require(kept == [(None, None)], f"a pausing call holds {kept}")
    locks = server.execute(f"SELECT relation::regclass, mode FROM pg_locks WHERE pid = {task.session.pid}"
                           " AND locktype = 'relation'")
    faulty.require(not locks, f"a pausing call holds {locks}")
    server.execute("SET lock_timeout = '1s'; LOCK TABLE facts IN ACCESS EXCLUSIVE MODE") # in a transaction of both
    server.execute("UPDATE facts SET n = n + 1 WHERE id = 5")


def cancel(server, task):
    """Cancels a pausing call, which has to end at once."""
    start = time.monotonic()
    server.execute(f"SELECT pg_cancel_backend({task.session.pid})")
    task.join("57014")
    faulty.require(task.seconds is None and time.monotonic() - start < 5, "a pausing call was not cancelled at once")


def of_rate(server):
    """It waits so that it writes no more than it may; others leave the view to it."""
    server.execute("UPDATE facts SET n = n + 1")
    task = faulty.Task(server, CALL % ("v", SLOW))
    await_pause(server, task, "keeping to max_wal_rate")
    check_idle(server, task)
    server.execute("SELECT refresh_materialized_views_smart('{v}')")
    faulty.require(faulty.last_refresh(server, "v") == ("none", True, f"skipped: pid {task.session.pid} is refreshing it in chunks"),
                   faulty.last_refresh(server, "v"))
    server.execute("SELECT refresh_materialized_views(true, 2, '{v}')")
    faulty.require("in chunks" in faulty.last_refresh(server, "v")[2], faulty.last_refresh(server, "v"))
    server.execute(CALL % ("v", ""))
    faulty.require(faulty.last_refresh(server, "v")[2] == f"skipped: already being refreshed by pid {task.session.pid}", faulty.last_refresh(server, "v"))
    waiting = faulty.Task(server, CALL % ("v", ", wait => true"))
    faulty.await_true(lambda: server.execute(f"SELECT 1 FROM pg_locks WHERE pid = {waiting.session.pid} AND NOT granted"),
                      "another such call waits")
    cancel(server, task)
    waiting.join()
    method, success, reason = faulty.last_refresh(server, "v")
    faulty.require((method, success) == ("full", True) and ", 1 of them by earlier calls" in reason, reason)
    with server.session() as session:
        faulty.compare(session, "v")


def of_overtaking(server):
    """A full refresh by another session, whether tracked or not, ends it."""
    for view in "v", "untracked":
        server.execute("UPDATE facts SET n = n + 1")
        task = faulty.Task(server, CALL % (view, ", max_wal_rate => '200 kB'"))
        await_pause(server, task, "keeping to max_wal_rate")
        server.execute(f"SELECT refresh_materialized_views(false, 2, '{{{view}}}')")
        task.join()
        faulty.require(task.seconds is not None, task.error)
        method, success, reason = faulty.last_refresh(server, view, where="reason LIKE '%meanwhile%'")
        faulty.require((method, success) == ("full", True) and "has refreshed the whole view meanwhile" in reason, reason)
        with server.session() as session:
            faulty.compare(session, view)


def of_replicas(server):
    """It waits for a standby that does not replay."""
    with faulty.Server("hot_standby = on", copy_of=server) as standby:
        faulty.await_true(lambda: server.execute("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"),
                          "the standby streams")
        standby.execute("SELECT pg_wal_replay_pause()")
        faulty.await_true(lambda: standby.execute("SELECT pg_get_wal_replay_pause_state()") == [("paused",)],
                          "the standby has stopped to replay")
        server.execute("UPDATE facts SET n = n + 1")
        task = faulty.Task(server, CALL % ("v", ", pause_if_replica_lag => '1 MB'"))
        await_pause(server, task, "waiting for replicas")
        check_idle(server, task)
        cancel(server, task)
        task = faulty.Task(server, CALL % ("v", ", pause_if_replica_lag => '1 MB'"))
        await_pause(server, task, "waiting for replicas")
        standby.execute("SELECT pg_wal_replay_resume()")
        task.join()
        faulty.require(task.seconds is not None, task.error)
        with server.session() as session:
            faulty.compare(session, "v")


def chunk_pauses(_dice):
    """All tests."""
    with faulty.Server("wal_level = replica", "max_wal_senders = 5", "hot_standby = on") as server:
        server.execute(SETUP)
        of_rate(server)
        of_overtaking(server)
        of_replicas(server)
        server.check_log()


if __name__ == "__main__":
    faulty.main(chunk_pauses)
