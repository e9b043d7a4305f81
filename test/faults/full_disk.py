#!/usr/bin/python3 -B
"""Refreshes and writes on a disk that gets full.

A preloaded library (test/lib/no_space.c) lets the files of the database grow by so many
bytes only: a random part of what a refresh is known to need for views, states, sorts and
the log. Whatever fails has to fail with 53100 or be done some other way, and once there
is room again everything is right. 8 rounds in 15 seconds, or 150 with TEST_LONG=1.
"""
import collections
import mmap
import pathlib
import subprocess

from psycopg2 import errorcodes

import faulty

ROUNDS = 150 if faulty.LONG else 8
ENOUGH = 2 ** 60
LIBRARY = pathlib.Path(__file__).resolve().parent.parent / "lib/no_space.c"
SETTINGS = "-c work_mem=64kB -c maintenance_work_mem=1MB"  # so that sorts go to disk
FEW = "UPDATE orders SET amount = amount + 0.5 WHERE id % 10 = 3"
MOST = "UPDATE orders SET amount = amount + 0.5, note = md5(note)"
# What is changed before, and what then meets the full disk.
TASKS = {
    "exact": (FEW, "CALL refresh_mv.run()"),
    "exact, in one transaction": (FEW, "SELECT refresh_materialized_views_smart()"),
    "full": (FEW, "CALL refresh_mv.run('full')"),
    "rebuild": (MOST, "CALL refresh_mv.run('full')"),
    "exact, of most rows": (MOST, "CALL refresh_mv.run()"),
    "changes": ("SELECT 1", MOST + "; INSERT INTO items SELECT i, i % 10, i FROM generate_series(1000, 5000) i"
                " ON CONFLICT DO NOTHING; DELETE FROM items WHERE id >= 1000"),
}


class Disk:
    """What is left of the disk that a server has."""

    def __init__(self, server):
        folder = server.folder
        with open(folder / "room", "wb") as file:
            file.write(ENOUGH.to_bytes(8, "little"))
        (folder / "room").chmod(0o666)
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", folder / "no_space.so", LIBRARY], check=True)
        with open(folder / "room", "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8)
        server.stop("fast")
        server.environment = {"LD_PRELOAD": str(folder / "no_space.so"), "NO_SPACE_ROOM": str(folder / "room"),
                              "NO_SPACE_UNDER": str(folder.resolve() / "data/base")}
        server.start()

    @property
    def room(self):
        """In bytes."""
        return int.from_bytes(self.map[:], "little")

    @room.setter
    def room(self, size):
        self.map[:] = size.to_bytes(8, "little")


def one_round(server, disk, dice, needs):
    """Returns the task, and whether it, and how many of the writers' transactions, have failed."""
    name = dice.choice([*TASKS])
    before, sql = TASKS[name]
    server.execute(before)
    with faulty.Writers(server, errorcodes.DISK_FULL) as writers:
        disk.room = dice.randrange(needs[name])
        task = faulty.Task(server, sql, SETTINGS)
        task.join(errorcodes.DISK_FULL)
        left = disk.room
    disk.room = ENOUGH
    print(f"{name}: {'failed' if task.error else 'done'}, {left} of {needs[name]} bytes left,"
          f" {writers.refused} transactions refused", flush=True)
    faulty.check_recovery(server, errorcodes.DISK_FULL, of_states=("delta", "full"))
    writers.check(server)
    return name, task.error is not None, writers.refused


def need(server, disk, name):
    """The bytes by which a task, all alone, makes files longer."""
    before, sql = TASKS[name]
    server.execute(before)
    disk.room = ENOUGH
    faulty.Task(server, sql, SETTINGS).join()
    return ENOUGH - disk.room


def full_disk(dice):
    """All rounds."""
    failed = collections.Counter()
    refused = 0
    with faulty.Server("autovacuum = off") as server:
        faulty.set_up(server)
        disk = Disk(server)
        needs = {name: need(server, disk, name) for name in TASKS}
        print(needs)
        for _ in range(ROUNDS):
            name, has_failed, others = one_round(server, disk, dice, needs)
            failed[name] += has_failed
            refused += others
    print(f"failed: {dict(failed)}, and {refused} transactions of writers")
    faulty.require(sum(failed.values()) >= ROUNDS / 4, "the disk was never full")


if __name__ == "__main__":
    faulty.main(full_disk)
