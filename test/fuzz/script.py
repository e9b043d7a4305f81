"""A recorded script of SQL statements, some of whose parts can be left out.

A statement may have alternatives in it, made by either(): the text that is executed, and
a simpler one that may take its place when a failure is shrunk.  They can be nested.
"""
import dataclasses
import re

OPEN, OTHER, CLOSE = "\ue000", "\ue001", "\ue002"
MARKS = re.compile(f"[{OPEN}{OTHER}{CLOSE}]")


def either(text, simpler=""):
    """The text, for which something simpler may be put."""
    return f"{OPEN}{text}{OTHER}{simpler}{CLOSE}"


def alternatives(text):
    """The places of (open, other, close) of each alternative, the outer ones first."""
    found, stack = [], []
    for mark in MARKS.finditer(text):
        if mark[0] == OPEN:
            stack.append([mark.start()])
        else:
            stack[-1].append(mark.start())
            if mark[0] == CLOSE:
                found.append(tuple(stack.pop()))
    return sorted(found)


def simplified(text, place):
    """The text with the simpler alternative at one place."""
    begin, other, end = place
    return text[:begin] + text[other + 1:end] + text[end + 1:]


def plain(text):
    """The text as it is executed."""
    while OPEN in text:
        text = re.sub(f"{OPEN}([^{OPEN}{OTHER}{CLOSE}]*){OTHER}[^{OPEN}{CLOSE}]*{CLOSE}", r"\1", text)
    return text


@dataclasses.dataclass
class Step:
    """A statement of a session.

    {views} in it stands for those of the views named that exist when it is executed,
    {rows} for rows of VALUES, so that both can become fewer.
    """
    sql: str
    kind: str = "write"      # setup, view, write, ddl, refresh, look
    session: int = 0
    unit: int = 0            # steps of one transaction have the same
    guarded: bool = True     # an error does not end the transaction
    views: tuple = ()
    rows: tuple = ()
    mode: str = ""           # of a refresh: smart, full, window, statement
    days: int = 0            # of a window

    def text(self, existing=None):
        """What is executed."""
        views = [view for view in self.views if existing is None or view in existing]
        names = ", ".join("'" + view.replace("'", "''") + "'" for view in views)
        return plain(self.sql).replace("{views}", f"ARRAY[{names}]::regclass[]").replace(
            "{rows}", ", ".join(map(plain, self.rows)))


class Outgrown(Exception):
    """What a scenario has made of its views takes too long to compute, by anybody."""


class Failure(Exception):
    """Something is wrong."""

    def __init__(self, kind, what, view=None, query=None):
        super().__init__(what)
        self.kind = kind      # failures of the same kind are taken for the same
        self.view = view
        self.query = query


def as_sql(script, errors):
    """The script for psql.  errors: the SQLSTATE of the steps that fail."""
    lines, session = [], 0
    for step, error in zip(script, errors):
        if step.kind == "look":
            continue
        if step.session != session:
            session = step.session
            lines.append(f"-- session {session + 1}")
        lines.append(step.text() + ";" + (f" -- fails: {error}" if error else ""))
    return "\n".join(lines)
