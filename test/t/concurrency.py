#!/usr/bin/python3
"""Tests refreshes of all kinds while others write, read and change definitions.

Four writers, two refreshers, two readers and a session of DDL work at once, and a
monitor looks who waits for whom. Every statement of the writers keeps the total of
all balances and each day's sum of entries, so a view that shows another total is torn.

- Every read finds its view as it was at one committed moment, and two views that are
  refreshed together in agreement.
- No writer and no reader waits for a refresh, but for a reader while a file is swapped.
- No refresh fails, or takes part in a deadlock.
- Changes are known as long as no DDL has touched the tables.
- In the end each view is what its query gives, there is nothing left to do, and the
  log gets empty.

Takes 25 seconds, or 5 minutes with TEST_LONG=1, or TEST_SECONDS.
"""
import collections
import contextlib
import os
import random
import re
import sys
import threading
import time
import traceback

import psycopg2
import psycopg2.errors

DATABASE = "refresh_mv_concurrency"
SECONDS = int(os.environ.get("TEST_SECONDS") or (300 if os.environ.get("TEST_LONG") else 22))
SLOWEST = 1.0  # seconds that a read may take, unless DDL is running
WRITERS = 4
ACCOUNTS = 12000
GROUPS = 200
BALANCE = 1000
TOTAL = ACCOUNTS * BALANCE
POSTS = 4000  # pairs of entries
DAYS = 10
ASIDE = 1000000  # the accounts from here on come and go with their partition, and add up to 0
SETUP = f"""
    CREATE EXTENSION refresh_mv;
    CREATE TABLE accounts (id integer PRIMARY KEY, grp integer NOT NULL, balance bigint NOT NULL, note text)
        PARTITION BY RANGE (id);
    CREATE TABLE accounts_low PARTITION OF accounts FOR VALUES FROM (MINVALUE) TO ({ACCOUNTS // 2});
    CREATE TABLE accounts_high PARTITION OF accounts FOR VALUES FROM ({ACCOUNTS // 2}) TO ({ASIDE});
    CREATE TABLE accounts_aside PARTITION OF accounts FOR VALUES FROM ({ASIDE}) TO (MAXVALUE);
    INSERT INTO accounts SELECT i, i % {GROUPS}, {BALANCE} FROM generate_series(0, {ACCOUNTS} - 1) AS i;
    INSERT INTO accounts SELECT {ASIDE} + i, i % {GROUPS}, i - 50 FROM generate_series(0, 100) AS i;
    CREATE TABLE groups (grp integer PRIMARY KEY, region integer, name text NOT NULL);
    INSERT INTO groups SELECT i, i % 20, 'group ' || i FROM generate_series(0, {GROUPS} - 1) AS i;
    CREATE TABLE kinds (kind text PRIMARY KEY, share integer NOT NULL);
    INSERT INTO kinds VALUES ('a', 30), ('b', 70);
    CREATE TABLE entries (post integer, side smallint, account integer NOT NULL, day date NOT NULL,
        amount numeric NOT NULL, PRIMARY KEY (post, side));
    INSERT INTO entries SELECT i, side, i * side % 97, current_date - i % {DAYS}, side * (i % 50)
        FROM generate_series(0, {POSTS} - 1) AS i, unnest('{{-1, 1}}'::smallint[]) AS side;
    CREATE TABLE refreshes (at timestamptz NOT NULL, note text);
"""
UNTRACKED = {
    "by_account": "SELECT id, grp, balance, note, md5(balance::text) AS sum FROM accounts",
    "of_view": "SELECT grp % 10 AS tenth, sum(balance) AS balance FROM by_account GROUP BY 1",
}
TRACKED = {
    "by_group": "SELECT grp, count(*) AS n, sum(balance) AS balance FROM accounts GROUP BY grp",
    "by_region": """SELECT g.region, count(*) AS n, sum(a.balance) AS balance, count(DISTINCT a.grp) AS groups
        FROM accounts AS a LEFT JOIN groups AS g USING (grp) GROUP BY g.region""",
    "joined": "SELECT a.id, g.name, a.balance, a.note FROM accounts AS a LEFT JOIN groups AS g USING (grp)",
    "top_of_view": "SELECT name, count(*) AS n, sum(balance) AS balance FROM joined GROUP BY name",
    "by_kind": """SELECT k.kind, a.grp, sum(a.balance * k.share) AS share
        FROM accounts AS a CROSS JOIN kinds AS k GROUP BY k.kind, a.grp""",
    "inner_region": """SELECT g.region, count(*) AS n, sum(a.balance) AS balance, min(g.name) AS first
        FROM accounts AS a JOIN groups AS g USING (grp) GROUP BY g.region""",
    "plain": "SELECT * FROM groups",  # is renamed now and then: nobody names it but the DDL
    "daily": "SELECT day, count(*) AS n, sum(amount) AS amount, max(amount) AS most FROM entries GROUP BY day",
    "account_entries": """SELECT account, count(*) AS n, sum(abs(amount)) AS amount, max(day) AS day
        FROM entries GROUP BY account""",
    "post_entries": """SELECT post, count(*) AS n, sum(abs(amount)) AS amount, max(day) AS day
        FROM entries GROUP BY post""",
}
PAIR = ("account_entries", "post_entries")  # are only refreshed together
OF_ENTRIES = ("daily",) + PAIR              # no DDL touches what these read
VIEWS = {**UNTRACKED, **TRACKED}
NAMED = [view for view in VIEWS if view not in PAIR + ("plain",)]
# what is true in every read
TRUE = {
    "by_account": f"sum(balance) = {TOTAL} AND bool_and(sum = md5(balance::text)) AND count(DISTINCT id) = count(*)",
    "of_view": f"sum(balance) = {TOTAL} AND count(DISTINCT tenth) = count(*)",
    "by_group": f"sum(balance) = {TOTAL} AND count(DISTINCT grp) = count(*)",
    "by_region": f"sum(balance) = {TOTAL} AND count(DISTINCT coalesce(region, -1)) = count(*)",
    "joined": f"sum(balance) = {TOTAL} AND count(DISTINCT id) = count(*)",
    "top_of_view": f"sum(balance) = {TOTAL} AND count(DISTINCT coalesce(name, '')) = count(*)",
    "by_kind": f"sum(share) = {TOTAL * 100} AND count(DISTINCT (kind, grp)) = count(*)",
    "inner_region": "count(DISTINCT coalesce(region, -1)) = count(*)",
    "daily": "bool_and(amount = 0 AND n % 2 = 0) AND count(DISTINCT day) = count(*)",
    "account_entries": "(sum(n), sum(amount)) = (SELECT sum(n), sum(amount) FROM post_entries)",
    "post_entries": "bool_and(n = 2) AND max(day) = (SELECT max(day) FROM account_entries)",
}
# Each writer has accounts, groups and posts of its own, which only it removes or renames.
STATEMENTS = [
    # from any account to any other, which is opened if it is not there
    "WITH gave AS (UPDATE accounts SET balance = balance - {some} WHERE id = {any} RETURNING grp)"
    " INSERT INTO accounts SELECT {other_any}, grp, {some} FROM gave"
    " ON CONFLICT (id) DO UPDATE SET balance = accounts.balance + excluded.balance",
    "WITH gone AS (DELETE FROM accounts WHERE id = {own} RETURNING *) INSERT INTO accounts"
    " SELECT {other_own}, grp, balance FROM gone"
    " ON CONFLICT (id) DO UPDATE SET balance = accounts.balance + excluded.balance",
    "WITH gone AS (DELETE FROM accounts WHERE id = {own} RETURNING *)"
    " INSERT INTO accounts SELECT id, {group}, balance, note FROM gone",
    "UPDATE accounts SET id = {other_own} WHERE id = {own}"
    " AND NOT EXISTS (SELECT FROM accounts WHERE id = {other_own})",
    "UPDATE accounts SET grp = {group} WHERE id = {own}",
    "UPDATE accounts SET note = repeat('x', {width}) WHERE id = {own}",
    "UPDATE groups SET name = name || '.' WHERE grp = {group}",
    "UPDATE groups SET region = {some} % 20 WHERE grp = {group}",
    "DELETE FROM groups WHERE grp = {group}",
    "INSERT INTO groups VALUES ({group}, {some} % 20, 'new') ON CONFLICT DO NOTHING",
    "INSERT INTO entries SELECT {post}, side, {some} % 97, current_date - {day}, side * {some} / 8.0"
    " FROM unnest('{{-1, 1}}'::smallint[]) AS side ON CONFLICT DO NOTHING",
    "UPDATE entries SET amount = -2 * amount WHERE post = {post} AND abs(amount) < 1000",
    "UPDATE entries SET day = current_date - {day} WHERE post = {post}",
    "UPDATE entries SET post = {other_post} WHERE post = {post}"
    " AND NOT EXISTS (SELECT FROM entries WHERE post = {other_post})",
    "DELETE FROM entries WHERE post = {post}",
]
BULK = [
    # one half gives, the other one takes
    "UPDATE accounts AS a SET balance = balance + {some} * CASE WHEN place % 2 = 0 THEN 1 ELSE -1 END"
    " FROM (SELECT id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS n FROM accounts"
    "       WHERE id % {writers} = {number} AND id % 41 = {some} % 41 AND id < {aside}) AS own"
    " WHERE a.id = own.id AND place <= n / 2 * 2",
    "UPDATE accounts SET grp = {group} WHERE id % {writers} = {number} AND grp = {other_group} AND id < {aside}",
    "UPDATE groups SET name = 'group ' || grp WHERE grp % {writers} = {number}",
    "UPDATE entries SET account = (account + {some}) % 97"
    " WHERE post % {writers} = {number} AND post % 37 = {some} % 37",
    "DELETE FROM entries WHERE post % {writers} = {number} AND day = current_date - {day} AND abs(amount) > 500",
    "INSERT INTO entries SELECT i, side, i % 97, current_date - {day}, side * {some} / 8.0"
    " FROM generate_series({number}, {posts} - 1, {writers}) AS i, unnest('{{-1, 1}}'::smallint[]) AS side"
    " WHERE i % 11 = {some} % 11 ON CONFLICT DO NOTHING",
]
CALLS = [
    "CALL refresh_mv.run()",
    "CALL refresh_mv.run(wait => true)",
    "CALL refresh_mv.run(views => {some}, wait => true)",
    "CALL refresh_mv.run('incremental', date_range_days => 3)",
    "CALL refresh_mv.run('full', views => {some})",
    "SELECT * FROM refresh_materialized_views_smart()",
    "SELECT * FROM refresh_materialized_views_smart({some})",
    "SELECT * FROM refresh_materialized_views_smart({some})",
    "SELECT * FROM refresh_materialized_views_smart({pair})",
    "SELECT * FROM refresh_materialized_views_smart({pair})",
    "SELECT * FROM refresh_materialized_views_smart({some} || {pair})",
    "SELECT * FROM refresh_materialized_views()",
    "SELECT * FROM refresh_materialized_views(views => {pair})",
    "SELECT * FROM refresh_materialized_views(views => {some})",
    "SELECT * FROM refresh_materialized_views(views => '{{by_account}}', cascade => true)",
    "SELECT * FROM refresh_materialized_views(true, 3, '{{daily}}')",
    "REFRESH MATERIALIZED VIEW by_account",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY by_group",
    "SELECT * FROM refresh_mv.refresh_where('daily', 'day = current_date - {day}')",
]
# Each ends where it has begun, so that any of them may fail and be tried again.
DDL = {
    "index of a table": ["CREATE INDEX IF NOT EXISTS extra_table ON accounts (grp)", "DROP INDEX extra_table"],
    "index of a view": ["CREATE INDEX IF NOT EXISTS extra_view ON by_group (balance)", "DROP INDEX extra_view"],
    "column": ["ALTER TABLE groups ADD COLUMN IF NOT EXISTS extra integer DEFAULT 1",
               "ALTER TABLE groups DROP COLUMN extra"],
    "column of partitions": ["ALTER TABLE accounts ADD COLUMN IF NOT EXISTS extra text",
                             "ALTER TABLE accounts DROP COLUMN extra"],
    "rename": ["ALTER MATERIALIZED VIEW IF EXISTS plain RENAME TO other_name",
               "ALTER MATERIALIZED VIEW IF EXISTS other_name RENAME TO plain"],
    "rename at once": ["BEGIN; ALTER MATERIALIZED VIEW by_kind RENAME TO kinds_of_groups;"
                       " ALTER MATERIALIZED VIEW kinds_of_groups RENAME TO by_kind; COMMIT"],
    "untrack": ["SELECT refresh_mv.untrack('by_region')", "SELECT refresh_mv.track('by_region')"],
    "vacuum": ["VACUUM accounts, entries", "VACUUM by_account, by_group, daily", "VACUUM refresh_mv.log"],
    "analyze": ["ANALYZE"],
    "refresh": ["REFRESH MATERIALIZED VIEW by_region", "REFRESH MATERIALIZED VIEW by_account"],
    "refresh concurrently": ["REFRESH MATERIALIZED VIEW CONCURRENTLY by_account",
                             "REFRESH MATERIALIZED VIEW CONCURRENTLY by_group"],
    "truncate": ["BEGIN; TRUNCATE kinds; INSERT INTO kinds VALUES ('a', 10), ('b', 60), ('c', 30); COMMIT",
                 "BEGIN; TRUNCATE kinds; INSERT INTO kinds VALUES ('a', 30), ('b', 70); COMMIT"],
    "detach": ["ALTER TABLE accounts DETACH PARTITION accounts_aside",
               f"ALTER TABLE accounts ATTACH PARTITION accounts_aside FOR VALUES FROM ({ASIDE}) TO (MAXVALUE)"],
    "update of everything": ["UPDATE accounts SET note = md5(id::text || now())"],
}
RETRY = (psycopg2.errors.SerializationFailure, psycopg2.errors.DeadlockDetected, psycopg2.errors.UniqueViolation)


class Load:
    """What all threads share."""

    def __init__(self):
        self.end = time.monotonic() + SECONDS
        self.stop = threading.Event()
        self.problems = []
        self.counts = collections.Counter()
        self.longest = collections.Counter()
        self.pids = collections.defaultdict(set)  # of each job
        self.seen = {view: set() for view in TRUE}
        self.ddl = []    # (start, end) of statements
        self.reads = []  # (start, end)
        self.swaps = []  # (when, view) of waits of a reader for a refresher that seems to swap a file
        self.lock = threading.Lock()

    def count(self, what):
        """Counts something done."""
        with self.lock:
            self.counts[what] += 1

    def timed(self, what, cursor, sql):
        """Executes a statement; returns when it has started and ended."""
        start = time.monotonic()
        try:
            cursor.execute(sql)
        finally:
            end = time.monotonic()
            with self.lock:
                self.longest[what] = max(self.longest[what], end - start)
        return start, end

    def failed(self, what, error):
        """Counts an error after which a transaction is tried again, unless a refresher is in a deadlock."""
        self.count(f"{what}: {type(error).__name__}")
        if isinstance(error, psycopg2.errors.DeadlockDetected):
            self.count("deadlocks")
            pids = {int(pid) for pid in re.findall(r"[Pp]rocess (\d+)", error.diag.message_detail)}
            if pids & self.pids["refresh"]:
                raise AssertionError(f"a deadlock with a refresher: {error}; {error.diag.message_detail}")

    def over(self):
        """Whether it is time to end."""
        late = time.monotonic() - self.end
        return self.stop.is_set() or late > 3 * SECONDS or (late > 0 and all(self.counts[kind] for kind in DDL))

    def worker(self, job, number):
        """The body of a thread: does a job again and again in a session of its own."""
        dice = random.Random(f"{job.__name__} {number}")
        try:
            with connect() as connection, connection.cursor() as cursor:
                self.pids[job.__name__].add(connection.info.backend_pid)
                while not self.over():
                    job(self, cursor, dice, number)
                    self.count(job.__name__)
        except Exception:  # whatever it is, it makes the test fail
            self.problems.append(f"{job.__name__}: {traceback.format_exc()}")
            self.stop.set()


def connect(database=DATABASE):
    """A connection in autocommit."""
    connection = psycopg2.connect(dbname=database, options="-c deadlock_timeout=100ms -c client_min_messages=error")
    connection.autocommit = True
    return contextlib.closing(connection)


def execute(sql, database=DATABASE):
    """Runs SQL in a session of its own; returns the rows, if it returns any."""
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def array(views):
    """Views as an SQL expression."""
    return f"'{{{','.join(views)}}}'::regclass[]"


def change(load, cursor, dice, number):
    """One statement of a writer; it keeps what TRUE says."""
    def own(many):
        return [WRITERS * place + number for place in dice.sample(range(many // WRITERS), 2)]
    accounts, groups, posts = own(2 * ACCOUNTS), own(GROUPS), own(POSTS)
    anybodys = dice.sample(range(ACCOUNTS), 2)
    statements = BULK if dice.random() < 0.05 else STATEMENTS
    load.timed("write", cursor, dice.choice(statements).format(
        own=accounts[0], other_own=accounts[1], any=anybodys[0], other_any=anybodys[1], group=groups[0],
        other_group=groups[1], post=posts[0], other_post=posts[1], day=dice.randrange(DAYS),
        some=dice.randint(1, 100), width=dice.choice([1, 300, 4000]), number=number, writers=WRITERS,
        posts=POSTS, aside=ASIDE))


def write(load, cursor, dice, number):
    """One transaction of a writer, now and then rolled back in part or as a whole."""
    try:
        if dice.random() < 0.3:
            change(load, cursor, dice, number)
            return
        cursor.execute(f"BEGIN ISOLATION LEVEL {dice.choice(['READ COMMITTED'] * 2 + ['REPEATABLE READ'])}")
        for _ in range(dice.randint(1, 6)):
            if dice.random() < 0.3:
                cursor.execute("SAVEPOINT s")
                change(load, cursor, dice, number)
                cursor.execute(dice.choice(["ROLLBACK TO s", "RELEASE s"]))
            else:
                change(load, cursor, dice, number)
            if dice.random() < 0.1:
                time.sleep(0.05)  # stays open for longer than a refresh takes
        end_transaction(load, cursor, dice, number)
    except RETRY as error:
        cursor.execute("ROLLBACK")
        load.failed("write", error)


def end_transaction(load, cursor, dice, number):
    """Commits in one phase or two, or rolls back."""
    end = dice.choice(["COMMIT"] * 4 + ["ROLLBACK"])
    if dice.random() < 0.1:
        cursor.execute(f"PREPARE TRANSACTION 'writer {number}'")
        time.sleep(0.02)
        end += f" PREPARED 'writer {number}'"
    cursor.execute(end)
    load.count(end.split("'")[0].strip().lower())


def refresh(load, cursor, dice, number):
    """One call."""
    cursor.execute(f"SET refresh_mv.exact_cost_limit = {1000 ** number}")
    call = dice.choice(CALLS).format(some=array(dice.sample(NAMED, dice.randint(2, len(NAMED)))), pair=array(PAIR),
                                     day=dice.randrange(DAYS))
    if call.startswith("CALL"):
        load.timed("refresh", cursor, call)
        load.count("refreshes by procedure")
        return
    if call.startswith("REFRESH"):
        refresh_by_statement(load, cursor, dice, call, dice.choice([None, "READ COMMITTED"]))
        return
    level = dice.choice([None, "READ COMMITTED", "REPEATABLE READ"])
    try:
        refresh_by_function(load, cursor, dice, call, level)
    except psycopg2.errors.SerializationFailure as error:
        if level != "REPEATABLE READ":
            raise
        cursor.execute("ROLLBACK")
        load.failed("refresh", error)


def refresh_by_function(load, cursor, dice, call, level):
    """A function call; with an isolation level in a transaction with other work."""
    if level:
        cursor.execute(f"BEGIN ISOLATION LEVEL {level}; INSERT INTO refreshes VALUES (now(), 'before'); {post(dice)}")
    load.timed("refresh", cursor, call)
    result = cursor.fetchone()
    if result[0] is False:  # success
        raise AssertionError(f"{call}: {result}")
    if level:
        cursor.execute(f"{post(dice)}; UPDATE refreshes SET note = 'after' WHERE at = now()")
        cursor.execute(dice.choice(["COMMIT"] * 4 + ["ROLLBACK"]))
    load.count("refreshes by function")


def refresh_by_statement(load, cursor, dice, statement, level):
    """REFRESH, which is taken over; in a transaction with other work too."""
    cursor.execute("LOAD 'refresh_mv'; SET refresh_mv.take_over = on")
    if level:
        cursor.execute(f"BEGIN ISOLATION LEVEL {level}; {post(dice)}")
    load.timed("refresh", cursor, statement)
    if level:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock'"
                       " AND relation IN (SELECT oid FROM pg_class WHERE relkind = 'm')")
        if cursor.fetchone() != (0,):
            raise AssertionError(f"{statement} has locked a view exclusively")
        cursor.execute(dice.choice(["COMMIT"] * 4 + ["ROLLBACK"]))
    load.count("refreshes by statement")


def post(dice):
    """An INSERT of a pair of entries that nobody else will touch."""
    return (f"INSERT INTO entries SELECT {dice.randrange(POSTS, 2 ** 31)}, side, 98, current_date, side * 7"
            " FROM unnest('{-1, 1}'::smallint[]) AS side ON CONFLICT DO NOTHING")


def read(load, cursor, dice, _number):
    """Some views in one snapshot."""
    cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    for view in dice.sample(list(TRUE), 3):
        span = load.timed("read", cursor, f"SELECT {TRUE[view]}, sum(hashtext(v::text)), count(*) FROM {view} AS v")
        true, fingerprint, rows = cursor.fetchone()
        load.reads.append(span)
        load.seen[view].add(fingerprint)
        if true is not True:
            raise AssertionError(f"{view} with {rows} rows is torn: {TRUE[view]}")
    cursor.execute("COMMIT")


def define(load, cursor, dice, _number):
    """Some DDL, there and back."""
    kind = dice.choice(sorted(DDL, key=lambda kind: (load.counts[kind], kind))[:5])
    for statement in DDL[kind]:
        while not done(load, cursor, kind, statement):
            pass
        load.stop.wait(0.3 if time.monotonic() < load.end else 0)
    load.count(kind)


def done(load, cursor, kind, statement):
    """Executes a statement of DDL; returns whether it is done."""
    start = time.monotonic()
    try:
        load.timed("DDL", cursor, statement)
        return True
    except RETRY as error:
        cursor.execute("ROLLBACK")
        load.failed(kind, error)
        return False
    finally:
        load.ddl.append((start, time.monotonic()))


def monitor(load, cursor, _dice, _number):
    """No writer and no reader may wait for a refresh, but a writer while that makes a file longer.

    A reader that waits for a refresher with an exclusive lock on a view is noted as one
    that waits for a file to be swapped.
    """
    swapping = "SELECT pid, relation::regclass::text FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock'" \
               " AND relation IN (SELECT oid FROM pg_class WHERE relkind = 'm')"
    cursor.execute(swapping)
    swaps = cursor.fetchall()
    cursor.execute("SELECT a.pid, b, a.wait_event, a.query, clock_timestamp(),"
                   " (SELECT query FROM pg_stat_activity WHERE pid = b),"
                   " (SELECT string_agg(format('%s %s %s', relation::regclass, mode, granted), ', ') FROM pg_locks"
                   " WHERE pid = b AND (mode ~ 'Exclusive' OR NOT granted))"
                   " FROM pg_stat_activity AS a, unnest(pg_blocking_pids(a.pid)) AS b"
                   " WHERE a.datname = current_database() AND a.wait_event_type = 'Lock' AND a.wait_event <> 'extend'")
    for waiting, holding, event, query, when, other, locks in cursor.fetchall():
        if holding not in load.pids["refresh"] or waiting not in load.pids["write"] | load.pids["read"]:
            continue
        cursor.execute(swapping)
        views = {view for pid, view in swaps + cursor.fetchall() if pid == holding}
        if not views or waiting in load.pids["write"]:
            raise AssertionError(f"somebody waits for a refresh ({event}): {query}; {other}; {locks}")
        load.swaps.append((when, views))
    time.sleep(0.002)


def check_load(load):
    """Collects what is wrong with what has been done."""
    slow = [end - start for start, end in load.reads if end - start > SLOWEST
            and not any(begin < end and start < done for begin, done in load.ddl)]
    if slow:
        load.problems.append(f"{len(slow)} reads took up to {max(slow):.1f} s without DDL running")
    for name, least in [("write", 20 * SECONDS), ("refreshes by function", SECONDS / 2), ("monitor", 20 * SECONDS),
                        ("refreshes by procedure", SECONDS / 5), ("read", 5 * SECONDS)] + [(name, 1) for name in DDL]:
        if load.counts[name] < least:
            load.problems.append(f"only {load.counts[name]} times {name}")
    methods = {method for method, in execute("SELECT DISTINCT method FROM refresh_mv.history")}
    if not methods >= {"skip", "delta", "keys", "window", "full", "where"}:
        load.problems.append(f"the only methods were {methods}")
    for view, states in load.seen.items():
        if len(states) < 5:
            load.problems.append(f"{view} was seen in only {len(states)} states")
    for when, views in load.swaps:
        if not any(rebuilt(when, view) for view in views):
            load.problems.append(f"at {when} a reader waited for a refresh of {views} that was no rebuild")


def rebuilt(when, view):
    """Whether the view was being rebuilt then, or the transaction about to be committed."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) > 0 FROM refresh_mv.history WHERE view = %s AND method = 'rebuild'"
                       " AND %s BETWEEN started AND started + duration + interval '1 second'", [f"public.{view}", when])
        return cursor.fetchone()[0]


def check_server(problems, deadlocks):
    """Collects what the server knows to be wrong."""
    found = execute(f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{DATABASE}'")
    if found != [(deadlocks,)]:
        problems.append(f"there were {found[0][0]} deadlocks, and {deadlocks} were reported")
    failures = execute("SELECT view, source, sqlstate, message FROM refresh_mv.history WHERE NOT success")
    if failures:
        problems.append(f"failures in the history: {failures}")
    # A refresh of a part, which may have come last, gives up the baseline: it is among what is tried here.
    unknown = execute("SELECT name, unknown_reason FROM refresh_mv.status WHERE unknown_reason IS NOT NULL"
                      " AND unknown_reason NOT LIKE 'a part of it was refreshed while changes%'"
                      f" AND name = ANY ('{{{','.join(OF_ENTRIES)}}}')")
    if unknown:
        problems.append(f"the changes of views are unknown: {unknown}")


def check_content(problems):
    """After one more refresh each view is what its query gives, and the next one has nothing to do."""
    refresh_all()
    for view in VIEWS:
        query = execute(f"SELECT rtrim(pg_get_viewdef('{view}'), ';')")[0][0]
        held, fresh = f"SELECT v::text FROM {view} AS v", f"SELECT q::text FROM ({query}) AS q"
        wrong = execute(f"SELECT count(*) FROM (({held} EXCEPT ALL {fresh})"
                        f" UNION ALL ({fresh} EXCEPT ALL {held})) AS d")
        if wrong != [(0,)]:
            problems.append(f"{view} differs from its query in {wrong[0][0]} rows")
    methods = refresh_all()
    if any(methods[view] != "skip" for view in TRACKED):
        problems.append(f"when nothing had changed the methods were {methods}")


def check_purge(problems):
    """The log gets empty in a few refreshes, as soon as no older transaction is open anywhere."""
    end = time.monotonic() + 10
    left = True
    while left and time.monotonic() < end:
        refresh_all()
        left = execute("SELECT relation::regclass::text, count(*) FROM refresh_mv.log GROUP BY 1")
    if left:
        problems.append(f"the log is not purged: {left}")


def refresh_all():
    """Refreshes all views; returns the method of each."""
    execute("CALL refresh_mv.run()")
    execute(f"CALL refresh_mv.run(views => {array(PAIR)})")
    return dict(execute("SELECT replace(view, 'public.', ''), method FROM refresh_mv.history"
                        " WHERE run > (SELECT max(run) - 2 FROM refresh_mv.history)"))


def set_up():
    """Makes the database."""
    execute(f"DROP DATABASE IF EXISTS {DATABASE}", "postgres")
    execute(f"CREATE DATABASE {DATABASE}", "postgres")
    execute(SETUP)
    for view, query in VIEWS.items():
        execute(f"CREATE MATERIALIZED VIEW {view} AS {query}")
    execute("CREATE UNIQUE INDEX ON by_account (id); CREATE INDEX ON by_account (grp);"
            " CREATE UNIQUE INDEX ON by_group (grp); CREATE INDEX ON accounts (grp)")
    for view in TRACKED:
        execute(f"SELECT refresh_mv.track('{view}')")
    for view in PAIR:  # so that a call that names no views leaves them out
        execute(f"SELECT refresh_mv.configure('{view}', enabled => false)")
    execute("VACUUM ANALYZE")


def report(load):
    """Prints what has been done, and what was wrong."""
    print(", ".join(f"{count} {what}" for what, count in sorted(load.counts.items())), f"in {SECONDS} s")
    print("states seen:", {view: len(states) for view, states in load.seen.items()})
    print("waits for a swap:", len(load.swaps))
    print("longest, ms:", {what: round(seconds * 1000) for what, seconds in sorted(load.longest.items())})
    for row in execute("SELECT method, count(*), round(avg(extract(epoch FROM duration)) * 1000),"
                       " round(max(extract(epoch FROM duration)) * 1000), sum(rows_inserted), sum(rows_updated),"
                       " sum(rows_deleted) FROM refresh_mv.history GROUP BY 1 ORDER BY 1"):
        print("{}: {} times, {} ms on average, {} at most, {} rows inserted, {} updated, {} deleted".format(*row))
    for problem in load.problems:
        print(problem)


def main():
    """Sets up, loads, checks."""
    set_up()
    load = Load()
    threads = [threading.Thread(target=load.worker, args=(job, number))
               for job, many in ((write, WRITERS), (refresh, 2), (read, 2), (define, 1), (monitor, 1))
               for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not load.problems:
        check_load(load)
        check_server(load.problems, load.counts["deadlocks"])
        check_content(load.problems)
        check_purge(load.problems)
    report(load)
    return 1 if load.problems else 0


if __name__ == "__main__":
    sys.exit(main())
