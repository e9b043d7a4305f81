"""What the tests of faults share: a server of their own, which may be killed, tracked views
of all kinds, writers, and what has to hold after any fault.
"""
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psycopg2
from psycopg2 import errorcodes

LONG = bool(os.environ.get("TEST_LONG"))
DEADLINE = 60  # seconds that anything that is waited for may take
CUSTOMERS = 300
ORDERS = 9000
ITEMS = 200
SETUP = f"""
    CREATE EXTENSION amcheck;
    CREATE EXTENSION refresh_mv;
    CREATE TABLE customers (id integer PRIMARY KEY, region integer NOT NULL, name text NOT NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer integer NOT NULL, product integer,
        amount numeric(12, 2), note text);
    CREATE INDEX ON orders (customer);
    CREATE TABLE items (id integer PRIMARY KEY, grp integer NOT NULL, n bigint NOT NULL);
    CREATE TABLE written (writer integer PRIMARY KEY, n bigint NOT NULL);
    INSERT INTO customers SELECT i, i % 20, 'customer ' || i FROM generate_series(0, {CUSTOMERS} - 1) AS i;
    INSERT INTO orders SELECT i, i % {CUSTOMERS}, i % 41, i % 97 / 4.0, md5(i::text)
        FROM generate_series(0, {ORDERS} - 1) AS i;
    INSERT INTO items SELECT i, i % 10, i FROM generate_series(0, {ITEMS} - 1) AS i;
    CREATE MATERIALIZED VIEW by_region AS
        SELECT c.region, count(*) AS n, sum(o.amount) AS amount, avg(o.amount) AS average, min(o.amount) AS least,
            max(o.amount) AS most, count(DISTINCT c.id) AS customers, count(DISTINCT o.product) AS products
        FROM orders AS o JOIN customers AS c ON c.id = o.customer GROUP BY c.region;
    CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n, sum(amount) AS amount FROM orders;
    CREATE MATERIALIZED VIEW notes AS
        SELECT c.id, c.name, string_agg(o.note, ',' ORDER BY o.id) AS notes
        FROM customers AS c LEFT JOIN orders AS o ON o.customer = c.id GROUP BY c.id, c.name;
    CREATE MATERIALIZED VIEW ranked AS
        SELECT customer, id, rank() OVER (PARTITION BY customer ORDER BY amount, id) AS place FROM orders;
    CREATE MATERIALIZED VIEW joined AS
        SELECT o.id, c.name, o.amount, o.note FROM orders AS o JOIN customers AS c ON c.id = o.customer;
    CREATE MATERIALIZED VIEW of_view AS SELECT name, count(*) AS n, sum(amount) AS amount FROM joined GROUP BY name;
    CREATE MATERIALIZED VIEW stock AS
        SELECT grp, count(*) AS kinds, sum(n) AS n, max(n) AS most FROM items GROUP BY grp;
    CREATE MATERIALIZED VIEW progress AS SELECT writer, n FROM written;
    CREATE UNIQUE INDEX ON by_region (region);
    CREATE INDEX ON notes (md5(notes));
    CREATE UNIQUE INDEX ON ranked (id);
    CREATE INDEX ON ranked (customer, place);
    CREATE UNIQUE INDEX ON joined (id);
    CREATE INDEX ON joined (amount);
    CREATE UNIQUE INDEX ON of_view (name);
    ANALYZE;
    SELECT refresh_mv.track();
    SELECT refresh_mv.track('stock', on_commit => true);
"""
# The views, and how each is refreshed if a few rows have changed.
METHODS = {"by_region": "delta", "total": "delta", "notes": "keys", "ranked": "keys", "joined": "keys",
           "of_view": "delta", "stock": "delta", "progress": "keys"}
WITH_STATE = {view for view, method in METHODS.items() if method == "delta"}
# Changes something for each view but stock and progress.
CHANGE = "UPDATE orders SET amount = amount + 0.25 WHERE id % 100 = 7"
# What must not be there, however a fault has ended.
INCONSISTENT = {
    "tracked views that are gone":
        "SELECT view FROM refresh_mv.tracked t WHERE NOT EXISTS"
        " (SELECT FROM pg_class WHERE oid = t.view AND relkind = 'm')",
    "tracked views whose settings differ":
        "SELECT n.view, s.tracked FROM refresh_mv.names n JOIN refresh_mv.settings s USING (view_schema, view_name)"
        " WHERE s.tracked <> EXISTS (SELECT FROM refresh_mv.tracked t"
        " WHERE t.view = n.view AND t.on_commit = s.on_commit)",
    "sources that nobody reads, or that are not logged":
        "SELECT t.view, relation FROM refresh_mv.tracked t FULL JOIN refresh_mv.sources s USING (relation)"
        " WHERE t.relation IS NULL OR s.relation IS NULL",
    "members of no source, or sources without members":
        "SELECT m.member, relation FROM refresh_mv.members m FULL JOIN refresh_mv.sources s USING (relation)"
        " WHERE m.relation IS NULL OR s.relation IS NULL",
    "triggers that are not as they were installed":
        "SELECT member::regclass FROM refresh_mv.members"
        " WHERE fingerprint IS DISTINCT FROM refresh_mv_internal.fingerprint(member)",
    "triggers on tables that are not logged":
        "SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgfoid = 'refresh_mv.log_change'::regproc"
        " AND tgrelid NOT IN (SELECT member FROM refresh_mv.members)",
    "baselines of views that are gone, or of a state that is":
        "SELECT view FROM refresh_mv.state WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = view)"
        " OR snapshot IS NOT NULL AND groups IS NOT NULL AND to_regclass('refresh_mv.group_state_' || view) IS NULL",
    "states of no tracked view":
        "SELECT relname FROM pg_class WHERE relnamespace = 'refresh_mv'::regnamespace"
        " AND relkind = 'r' AND relname ~ '^group_' AND substring(relname, '[0-9]+')::oid NOT IN"
        " (SELECT view FROM refresh_mv.tracked)",
    "uses of views that are not tracked":
        "SELECT view FROM refresh_mv.uses WHERE view NOT IN (SELECT view FROM refresh_mv.tracked)",
    "entries in the log about relations that nobody reads":
        "SELECT relation FROM refresh_mv.log WHERE relation NOT IN (SELECT relation FROM refresh_mv.readers)",
}
LEFTOVERS = {
    "transient relations":
        "SELECT relname FROM pg_class WHERE relname ~ '^pg_temp_' AND relnamespace = 'public'::regnamespace",
    "temporary files":
        "SELECT name FROM pg_ls_tmpdir()",
}
# What the server must not have said.
SUSPICIOUS = re.compile(r"leak|left non-empty|PANIC|TRAP|cache lookup failed|signal (6|11)\b")
# Raises an error unless all indexes and tables of views and of the extension are sound.
SOUND = """
    SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam
    WHERE a.amname = 'btree' AND (c.relkind = 'm' OR c.relnamespace = 'refresh_mv'::regnamespace);
    SELECT c.oid::regclass::text, h.* FROM pg_class c, LATERAL verify_heapam(c.oid) h
    WHERE c.relkind = 'm' OR (c.relkind = 'r' AND c.relnamespace = 'refresh_mv'::regnamespace)
"""


class Wrong(Exception):
    """The test has failed."""


def require(condition, *what):
    """Fails unless the condition is true."""
    if not condition:
        raise Wrong(" ".join(str(part) for part in what))


def await_true(condition, what):
    """Waits until a function returns something true."""
    end = time.monotonic() + DEADLINE
    while not condition():
        require(time.monotonic() < end, f"still not so after {DEADLINE} s:", what() if callable(what) else what)
        time.sleep(0.01)


def as_server_user():
    """The arguments of subprocess functions for a program that root must not run."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}


def kill(pid):
    """Kills a process, which may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Session:
    """A connection in autocommit."""

    def __init__(self, host, options=""):
        self.connection = psycopg2.connect(host=host, port=5432, user="postgres", dbname="postgres",
                                           options=f"-c client_min_messages=error {options}")
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.pid = self.connection.info.backend_pid

    def execute(self, sql, *parameters):
        """Runs SQL; returns the rows, if it returns any."""
        self.cursor.execute(sql, parameters or None)
        return self.cursor.fetchall() if self.cursor.description else None

    def is_lost(self):
        """True if the server has ended it."""
        try:
            self.execute("SELECT 1")
            return False
        except psycopg2.OperationalError:
            return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(psycopg2.Error):
            self.connection.close()


class Server:
    """A server that nobody else uses; it goes away with the with statement that made it.

    settings are further lines of postgresql.conf; copy_of is a server of which it shall be a
    standby. environment are variables for it, from the next start on.
    """

    def __init__(self, *settings, copy_of=None):
        parent = os.environ.get("TMPDIR", "/tmp")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="faults.", dir=parent if len(parent) < 60 else "/tmp"))
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.data = self.folder / "data"
        self.environment = {}
        self.bin = subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), "--bindir"], text=True).strip()
        try:
            if copy_of:
                self.run("pg_basebackup", "-h", copy_of.folder, "-p", "5432", "-U", "postgres", "-D", self.data,
                         "-R", "-c", "fast")
            else:
                self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
                         "--locale=C.UTF-8")
            with open(self.data / "postgresql.conf", "a", encoding="utf-8") as configuration:
                print("listen_addresses = ''", f"unix_socket_directories = '{self.folder}'", "port = 5432",
                      "fsync = off", f"statement_timeout = '{DEADLINE}s'",
                      "refresh_mv.exact_cost_limit = 1000000000", *settings, sep="\n", file=configuration)
            self.start()
        except BaseException:
            self.__exit__()
            raise

    def run(self, program, *arguments, check=True):
        """Runs a program of PostgreSQL's; returns whether it has succeeded."""
        done = subprocess.run([f"{self.bin}/{program}", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              env={**os.environ, **self.environment}, **as_server_user())
        require(not check or done.returncode == 0, program, *arguments, done.stdout)
        return done.returncode == 0

    def start(self):
        """Starts it, as soon as what is left of the processes before allows that."""
        await_true(lambda: self.run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "start", check=False),
                   lambda: f"the server has started: {self.log()[-5:]}")

    def stop(self, mode):
        """Stops it."""
        self.run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def log(self):
        """The lines that it has written, without those about memory contexts."""
        try:
            lines = (self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if not line.startswith((" ", "TopMemoryContext", "Grand total"))]

    def check_log(self):
        """Fails if it has complained about itself."""
        found = [line for line in self.log() if SUSPICIOUS.search(line)]
        require(not found, "in the server's log:", *found[:5])

    def postmaster(self):
        """The process id of the postmaster."""
        return int((self.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def session(self, options=""):
        """A new session."""
        return Session(self.folder, options)

    def execute(self, sql):
        """Runs SQL in a session of its own; returns the rows, if it returns any."""
        with self.session() as session:
            return session.execute(sql)

    def await_connections(self):
        """Waits until one can connect."""
        def connects():
            try:
                return self.execute("SELECT true")
            except psycopg2.OperationalError:
                return False
        await_true(connects, "the server takes connections")

    def crash(self, pid):
        """Kills a backend, and waits until all others have been ended for that, and one can connect again."""
        with self.session() as bystander:
            kill(pid)
            await_true(bystander.is_lost, "the server has noticed a crash")
        self.await_connections()

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_):
        if kind:
            print("the server's log:", *self.log()[-15:], sep="\n")
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Background:
    """Threads that work until the with statement ends; it fails if one has had a problem."""

    def __init__(self, many):
        self.end = threading.Event()
        self.problems = []
        self.threads = [threading.Thread(target=self.work, args=(number,), daemon=True) for number in range(many)]

    def work(self, number):
        """The body of a thread."""
        raise NotImplementedError

    def join(self):
        """Waits until all have ended."""
        for thread in self.threads:
            thread.join(DEADLINE)
        require(not any(thread.is_alive() for thread in self.threads), "a thread does not end")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join()
        require(not self.problems, *self.problems)


class Writers(Background):
    """Sessions that write to all tables until the with statement ends or their connections do.

    Errors with an SQLSTATE among those allowed, and deadlocks with DDL or whoever else locks
    much, undo a transaction, and the next one begins.
    """
    many = 2

    def __init__(self, server, *allowed):
        super().__init__(self.many)
        self.allowed = (errorcodes.DEADLOCK_DETECTED, *allowed)
        self.refused = 0  # transactions
        self.acknowledged = dict(server.execute("SELECT writer, n FROM written"))
        self.sessions = [server.session() for _ in range(self.many)]

    def work(self, number):
        """The body of a thread: counts each transaction whose commit is acknowledged."""
        dice = random.Random()
        session = self.sessions[number]
        while not self.end.is_set():
            try:
                transaction(session, dice, number, self.acknowledged.get(number, 0) + 1)
                self.acknowledged[number] = self.acknowledged.get(number, 0) + 1
            except psycopg2.Error as error:
                if session.connection.closed:
                    return
                if error.pgcode not in self.allowed:
                    self.problems.append(f"writer: {error.pgcode} {error}")
                    session.connection.close()
                    return
                self.refused += 1
                with contextlib.suppress(psycopg2.Error):
                    session.execute("ROLLBACK")

    def join(self):
        """Waits until all have ended, by themselves as they lose their connections."""
        super().join()
        for session in self.sessions:
            session.connection.close()

    def check(self, server):
        """Fails if a commit that was acknowledged is not in the view of them."""
        shown = dict(server.execute("SELECT writer, n FROM progress"))
        for writer, n in self.acknowledged.items():
            require(n <= shown.get(writer, 0) <= n + 1, f"writer {writer} has committed {n}, and {shown} is shown")


def transaction(session, dice, number, count):
    """One transaction of a writer; each has rows of its own."""
    session.execute("BEGIN")
    for _ in range(dice.randint(1, 4)):
        undone = dice.random() < 0.15
        if undone:
            session.execute("SAVEPOINT s")
        session.execute(statement(dice, number))
        if undone:
            session.execute("ROLLBACK TO s")
    session.execute("INSERT INTO written VALUES (%s, %s) ON CONFLICT (writer) DO UPDATE SET n = EXCLUDED.n",
                    number, count)
    session.execute("COMMIT")


def statement(dice, number):
    """One that changes rows of a writer."""
    row = {table: dice.randrange(size // Writers.many) * Writers.many + number
           for table, size in (("order", ORDERS), ("customer", CUSTOMERS), ("item", ITEMS))}
    return dice.choice([
        "UPDATE orders SET amount = amount + 1 WHERE id = {order}",
        "UPDATE orders SET customer = {customer}, note = repeat('x', {some}) WHERE id = {order}",
        "DELETE FROM orders WHERE id = {order}",
        "INSERT INTO orders VALUES ({order}, {customer}, {some}, 9, 'new') ON CONFLICT (id) DO UPDATE SET amount = 8",
        "INSERT INTO orders SELECT i, {customer}, i % 41, i % 97, 'again'"
        " FROM generate_series({number}, {orders} - 1, {many}) i WHERE i % 31 = {some} % 31 ON CONFLICT DO NOTHING",
        "UPDATE orders SET amount = -amount WHERE id % {many} = {number} AND id % 37 = {some} % 37",
        "UPDATE customers SET name = name || '.', region = {some} % 20 WHERE id = {customer}",
        "UPDATE customers SET name = 'customer ' || id WHERE id % {many} = {number} AND region = {some} % 20",
        "UPDATE items SET n = n + 1 WHERE id = {item}",
        "DELETE FROM items WHERE id = {item}",
        "INSERT INTO items VALUES ({item}, {some} % 10, {some}) ON CONFLICT DO NOTHING",
    ]).format(**row, some=dice.randrange(100), number=number, many=Writers.many, orders=ORDERS)


class Task:
    """SQL in a session of its own, done by a thread.

    seconds is how long it took, error what it has raised; neither is there while it is under way.
    Its session may be told by parameters, such as "-c work_mem=1MB".
    """

    def __init__(self, server, sql, options=""):
        self.session = server.session(options)
        self.sql = sql
        self.seconds = None
        self.error = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        """The body of the thread."""
        start = time.monotonic()
        try:
            self.session.execute(self.sql)
            self.seconds = time.monotonic() - start
        except psycopg2.Error as error:
            self.error = error

    def join(self, *expected):
        """Waits for the end; fails if there was an error other than a lost connection, a deadlock,
        those of SQLSTATEs expected, or that a refresh of one of many views has failed.
        """
        self.thread.join(DEADLINE)
        require(not self.thread.is_alive(), f"{self.sql} does not end")
        error, lost = self.error, self.session.connection.closed
        self.session.connection.close()
        require(error is None or lost or error.pgcode in (errorcodes.DEADLOCK_DETECTED, *expected)
                or "could not be refreshed" in str(error), f"{self.sql} failed: {error and error.pgcode}", error)


def durations(server, tasks):
    """How long each of several tasks takes, in seconds, if nothing else is under way."""
    seconds = {}
    for sql in tasks:
        server.execute(CHANGE)
        task = Task(server, sql)
        task.join()
        seconds[sql] = task.seconds
    return seconds


def set_up(server):
    """Makes the tables, and the views, tracked and refreshed."""
    server.execute(SETUP)
    server.execute("CALL refresh_mv.run()")


def last_refresh(server, view, columns="method, success, reason", where="true"):
    """What the history says last of a view."""
    return server.execute(f"SELECT {columns} FROM refresh_mv.history WHERE view = 'public.{view}' AND {where}"
                          " ORDER BY started DESC LIMIT 1")[0]


def check_leftovers(session, of=None):
    """Fails if a refresh has left something that was only for a while, or what else must not be there."""
    for what, sql in (of or LEFTOVERS).items():
        found = session.execute(sql)
        require(not found, f"{what}: {found}")


def check_sound(session):
    """Fails unless the indexes and tables of views and of the extension are sound."""
    damaged = session.execute(SOUND)
    require(not damaged, "damaged tables:", damaged)


def check_consistency(session):
    """Fails if what the extension knows of views and tables does not agree."""
    check_leftovers(session, {**INCONSISTENT, **LEFTOVERS})
    check_sound(session)


def check_log(session):
    """Fails if new entries of the log cannot be read, or are not what has happened since the views were refreshed."""
    for view, source in session.execute(
            "SELECT t.view::regclass::text, t.relation::regclass::text FROM refresh_mv.tracked t"
            " JOIN refresh_mv.state s ON s.view = t.view AND s.snapshot IS NOT NULL WHERE NOT EXISTS"
            " (SELECT FROM refresh_mv.unread u WHERE u.view = t.view AND u.is_new AND u.reason IS NOT NULL)"):
        session.execute(f"SELECT count(*) FROM refresh_mv.changes('{view}', '{source}')")
    for view in METHODS:
        (verdict, remark), = session.execute(f"SELECT verdict, remark FROM refresh_mv.verify('{view}')")
        require(verdict in ("correct", "stale"), view, "is", verdict, remark)


def check_failures(session, *expected):
    """Fails if a refresh has ever failed for another reason than those given as SQLSTATEs."""
    failures = session.execute("SELECT view, sqlstate, message FROM refresh_mv.history WHERE NOT success"
                               " AND sqlstate <> ALL (%s) AND message NOT LIKE 'upstream failed%%'", list(expected))
    require(not failures, "failures:", failures)


def compare(session, view):
    """Fails unless a view holds what its query returns, byte for byte."""
    (query,), = session.execute(f"SELECT rtrim(pg_get_viewdef('{view}'), ';')")
    rows = session.execute(f"SELECT sum(n), r FROM (SELECT v::text AS r, -1 AS n FROM {view} v"
                           f" UNION ALL SELECT q::text, 1 FROM ({query}) q) d GROUP BY r HAVING sum(n) <> 0")
    require(not rows, f"{view} differs from its query in {len(rows)} rows:", rows[:4])


def check_views(session, views=tuple(METHODS)):
    """The same of all views, which verify() has to see, too."""
    for view in views:
        compare(session, view)
        (verdict,), = session.execute(f"SELECT verdict FROM refresh_mv.verify('{view}')")
        require(verdict == "correct", f"{view} is {verdict}")


def refresh(session):
    """Refreshes all views; returns by which method and why."""
    session.execute("CALL refresh_mv.run()")
    return {view.split(".")[1]: (method, reason) for view, method, reason in session.execute(
        "SELECT view, method, reason FROM refresh_mv.history WHERE run = (SELECT max(run) FROM refresh_mv.history)")}


def check_methods(methods, of_states=("delta",)):
    """Fails unless views have been refreshed as they should be if a few rows had changed; those
    that have a state of groups, in one of the ways given.
    """
    for view, (method, reason) in methods.items():
        expected = of_states if view in WITH_STATE else [METHODS[view]]
        require(method in expected or method == "skip",
                f"{view} was refreshed by {method} instead of {expected}: {reason}")


def check_purge(session):
    """Fails unless the log gets empty in a few refreshes."""
    def empty():
        refresh(session)
        return session.execute("SELECT count(*) = 0 FROM refresh_mv.log")[0][0]
    await_true(empty, "the log is purged")


def check_recovery(server, *expected, of_states=("delta",)):
    """Fails unless everything is as it should be after a fault, and refreshes go on as before.

    expected are the SQLSTATEs by which refreshes may have failed. of_states is how views that
    have a state of groups may be refreshed as long as that has not been made anew. No refresh
    of the others is a full one: that would hide what is not in the log.
    """
    with server.session() as session:
        check_failures(session, *expected)
        check_consistency(session)
        check_log(session)
        check_methods(refresh(session), of_states)
        check_views(session)
        for ways in ("delta", *of_states), ("delta",):
            session.execute(CHANGE)
            check_methods(refresh(session), ways)
        check_views(session)
        check_purge(session)
        check_consistency(session)
    server.check_log()


def main(test):
    """Runs a test; it is given random numbers, of which the seed is printed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(10 ** 6)
    start = time.monotonic()
    try:
        test(random.Random(seed))
    except Wrong as wrong:
        sys.exit(f"{wrong}\nfailed")
    finally:
        print(f"seed {seed}, {time.monotonic() - start:.0f} s", flush=True)
