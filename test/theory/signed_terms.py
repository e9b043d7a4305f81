#!/usr/bin/python3
"""Tests on paper that signed terms add up (src/incremental/signed_terms.hpp, net.hpp).

Random queries over random small tables are evaluated by brute force before and after random
changes, and by terms: bags of rows with duplicates and NULLs, tables with keys and bags
without, self joins, up to four changed instances, UNION ALL within UNION ALL, nullable sides
that change or do not (src/incremental/optional_rows.hpp), and subqueries in conditions over a table that has not
changed.  What the terms' rows come to
has to be the difference of the two results; counts, sums, extremes and distinct values of
groups made of it have to be right; and all keys whose rows differ have to be among theirs.

Then each rule is broken in turn, and that has to be noticed.

signed_terms.py [CASES [SEED]]
"""
import collections
import itertools
import random
import sys

NOW, CHANGED, UNCHANGED, OLD, LESS = "now", "changed", "unchanged", "old", "less"
MATCHES, LEFT_ALONE, FOUND, BEFORE = "matches", "left alone", "found", "before"  # of optional instances
KEYED, BAG, STEADY = "ABC", "M", "S"   # tables; a row is (key, value, value), of a bag without meaning
MOST_CHANGED = 4
WRONG = ["signs", "less is added", "later as now", "earlier as before", "unchanged as now", "old as all images",
         "old as changed", "no arm is left out", "both arms", "extremes as they come", "equal means same",
         "keys of what is gained", "matches alone", "found by what was changed", "optional ones last"]


class Dice(random.Random):
    """Random choices."""

    def value(self):
        """A column's value."""
        return self.choice([None, 0, 1, 2, 3])

    def table(self, name):
        """The rows of a table, or of a bag."""
        if name in BAG:
            return [(self.value(), self.value(), self.value()) for _ in range(self.randrange(5))]
        return [(key, self.value(), self.value()) for key in range(5) if self.random() < 0.6]

    def changed(self, name, rows):
        """The same table later."""
        if name in BAG:
            kept = [row for row in rows if self.random() < 0.6]
            return kept + self.table(name)[:2]
        later = {row[0]: row for row in rows if self.random() < 0.8}
        for row in self.table(name):
            if self.random() < 0.5:
                later[row[0]] = row
        return list(later.values())


def equal(one, two):
    """= of SQL, where unknown is as good as false."""
    return one is not None and two is not None and one == two


# ---- queries, whose rows are lists of (row, sign)

class Table:
    """An instance of a table."""

    def __init__(self, name):
        self.name, self.width = name, 3

    def instances(self):
        """All in which the query is linear."""
        return [self]

    def optional(self):
        """Instances that stand alone on the nullable side of a left join that is on that of no other."""
        return []

    def rows(self, reading):
        """The rows by what is read in the table's place."""
        return reading.rows_of(self)


class Join:
    """An inner join, or one that preserves the left side; the right one is not linear then."""

    def __init__(self, left, right, link, outer=False):
        self.left, self.right, self.link, self.outer = left, right, link, outer
        self.width = left.width + right.width

    def instances(self):
        """Those of the right side only if it cannot be null."""
        return self.left.instances() + ([] if self.outer else self.right.instances())

    def optional(self):
        """The right side, if it is a table with a key; and those of preserved sides."""
        if not self.outer:
            return self.left.optional() + self.right.optional()
        return self.left.optional() + ([self.right] if isinstance(self.right, Table) and self.right.name in KEYED else [])

    def alone(self, reading, role):
        """Rows of the left side, with nulls, that have lost or found their matches."""
        def any_of(row, others):
            a, b = self.link
            return any(a is None or equal(row[a], other[b]) for other in others)
        signed = reading.changes[self.right.name]
        old, new = ([row for row, sign in signed if sign == which] for which in (-1, 1))
        table = reading.tables[self.right.name]
        keys = {row[0] for row, _ in signed}
        kept = [row for row in table if row[0] not in keys or reading.wrong == "found by what was changed"]
        nulls = (None,) * self.right.width
        if role == LEFT_ALONE:
            return [(row + nulls, sign) for row, sign in self.left.rows(reading)
                    if any_of(row, old) and not any_of(row, table)]
        return [(row + nulls, -sign) for row, sign in self.left.rows(reading)
                if any_of(row, new) and not any_of(row, old) and not any_of(row, kept)]

    def rows(self, reading):
        """A joined row has the product of the signs."""
        joined = []
        a, b = self.link
        role = reading.role(self.right)
        if role in (LEFT_ALONE, FOUND):
            return self.alone(reading, role)
        right = self.right.rows(reading)
        for row, sign in self.left.rows(reading):
            found = [(row + other, sign * another) for other, another in right if a is None or equal(row[a], other[b])]
            preserved = self.outer and role != MATCHES
            joined += found or ([(row + (None,) * self.right.width, sign)] if preserved else [])
        return joined


class Filter:
    """Rows that meet a condition, which may look at another table."""

    def __init__(self, below, other, column, kind):
        self.below, self.other, self.column, self.kind = below, other, column, kind
        self.width = below.width + (kind == "scalar")

    def instances(self):
        """Not the other table: it is inside of a subquery."""
        return self.below.instances()

    def optional(self):
        """Those below."""
        return self.below.optional()

    def rows(self, reading):
        """The rows that are left, or all with one more column."""
        return [kept for row, sign in self.below.rows(reading) for kept in self.keep(row, sign, reading)]

    def keep(self, row, sign, reading):
        """A row with its sign, if it is kept."""
        value = row[self.column]
        linked = [other for other, _ in self.other.rows(reading) if equal(other[1], value)]
        if self.kind == "scalar":
            return [(row + (len(linked),), sign)]
        kept = {"exists": bool(linked), "not exists": not linked, "null": value is None,
                "greater": value is not None and value > 1}[self.kind]
        return [(row, sign)] if kept else []


class Columns:
    """Some columns of the rows, so that different rows can look the same."""

    def __init__(self, below, columns):
        self.below, self.columns, self.width = below, columns, len(columns)

    def instances(self):
        """Those below."""
        return self.below.instances()

    def optional(self):
        """Those below."""
        return self.below.optional()

    def rows(self, reading):
        """The rows."""
        return [(tuple(row[column] for column in self.columns), sign) for row, sign in self.below.rows(reading)]


class Union:
    """UNION ALL."""

    def __init__(self, arms):
        self.arms, self.width = arms, arms[0].width

    def instances(self):
        """Those of all arms."""
        return [instance for arm in self.arms for instance in arm.instances()]

    def optional(self):
        """None: which arms give rows is told by those of the others."""
        return []

    def rows(self, reading):
        """Where some arms read just a few rows, the others give none; no row comes out of two."""
        few = [arm for arm in self.arms if any(map(reading.is_few, arm.instances()))]
        if reading.wrong == "no arm is left out":
            few = []
        if len(few) > 1 and reading.wrong != "both arms":
            return []
        return [row for arm in few or self.arms for row in arm.rows(reading)]


def query(dice, size):
    """A random query of about so many instances."""
    kind = dice.random()
    if size <= 1:
        below = Table(dice.choice("AABBCMMS"))
    elif kind < 0.3:
        columns = dice.randrange(1, 4)
        arms = [query(dice, part) for part in (size // 2, size - size // 2)] + [query(dice, 1)] * (dice.random() < 0.2)
        below = Union([Columns(arm, [dice.randrange(arm.width) for _ in range(columns)]) for arm in arms])
    else:
        left, right = query(dice, size // 2), query(dice, size - size // 2)
        link = (dice.randrange(left.width), dice.randrange(right.width)) if kind < 0.9 else (None, None)
        below = Join(left, right, link)
    if dice.random() < 0.2:
        link = (dice.randrange(below.width), dice.randrange(3)) if dice.random() < 0.9 else (None, None)
        below = Join(below, Table(dice.choice("ABSS")), link, outer=True)
    if dice.random() < 0.3:
        below = Filter(below, Table(STEADY), dice.randrange(below.width),
                       dice.choice(["exists", "not exists", "scalar", "null", "greater"]))
    return below


# ---- terms

class Reading:
    """What is read in the place of each instance: a state, or the roles of a term."""

    def __init__(self, tables, changes=None, roles=None, wrong=None):
        self.tables, self.changes, self.roles, self.wrong = tables, changes, roles or {}, wrong

    def role(self, instance):
        """Of an instance."""
        return self.roles.get(id(instance), NOW)

    def is_few(self, instance):
        """Whether a few rows are in its place."""
        return self.role(instance) in (CHANGED, OLD, LESS)

    def rows_of(self, instance):
        """The rows in its place, with signs."""
        role, table = self.role(instance), self.tables[instance.name]
        if role == NOW or (role == UNCHANGED and self.wrong == "unchanged as now"):
            return [(row, 1) for row in table]
        signed = self.changes[instance.name]
        if role == UNCHANGED:
            keys = {row[0] for row, _ in signed}
            return [(row, 1) for row in table if row[0] not in keys]
        if role == BEFORE:
            keys = {row[0] for row, _ in signed}
            return [(row, 1) for row in table if row[0] not in keys] + [(row, 1) for row, sign in signed if sign < 0]
        if role in (CHANGED, MATCHES):
            return [(row, 1) for row, _ in signed] if self.wrong == "signs" else signed
        if role == LESS:
            return signed if self.wrong == "less is added" else [(row, -sign) for row, sign in signed]
        if self.wrong == "old as changed":
            return signed
        return [(row, 1) for row, sign in signed if sign < 0 or self.wrong == "old as all images"]


def signed_changes(name, before, now):
    """A table's changes as rows with signs; of a bag a row can have both, as if it differed where nobody looks."""
    was, becomes = collections.Counter(before), collections.Counter(now)
    lost, gained = was - becomes, becomes - was
    changes = [(row, -1) for row in lost.elements()] + [(row, 1) for row in gained.elements()]
    if name in BAG and changes:
        changes += [(row, sign) for row in was & becomes if row[0] == 1 for sign in (-1, 1)]
    return changes


def roles_of(this, optional, changes, wrong):
    """What a changed instance is in its terms."""
    if this not in optional:
        return [CHANGED]
    if wrong == "matches alone":
        return [MATCHES]
    return [MATCHES, FOUND] + [LEFT_ALONE] * any(sign < 0 for _, sign in changes[this.name])


def terms(instances, optional, changes, wrong):
    """The roles of each term."""
    changed = [instance for instance in optional + instances if changes[instance.name]]
    for place, this in enumerate(changed):
        later, earlier = changed[place + 1:], changed[:place]
        if wrong == "later as now":
            later = []
        if wrong == "earlier as before":
            later, earlier = earlier + later, []
        ways = [(False,) if instance in optional else (False, True) for instance in later]
        for role, taken in itertools.product(roles_of(this, optional, changes, wrong), itertools.product(*ways)):
            roles = {id(this): role}
            for instance, few in zip(later, taken):
                if instance in optional:
                    roles[id(instance)] = NOW if wrong == "optional ones last" else BEFORE
                elif instance.name in BAG:
                    roles[id(instance)] = LESS if few else NOW
                else:
                    roles[id(instance)] = OLD if few else UNCHANGED
            yield roles


# ---- groups

def face(value):
    """Values are equal in pairs, such as 1.0 and 1.00: what tells them apart is not what orders them."""
    return None if value is None else value // 2


def by_group(rows, key, column):
    """The values of a column for each key: {key: Counter of values, NULLs left out}, and {key: number of rows}."""
    values, numbers = collections.defaultdict(collections.Counter), collections.Counter()
    for row, sign in rows:
        numbers[row[key]] += sign
        if row[column] is not None:
            values[row[key]][row[column]] += sign
    return values, numbers


def smallest(values):
    """The first of the smallest values; None if there is none."""
    return min(values, key=face, default=None)


def next_smallest(state, gained, lost):
    """What the smallest value becomes, and whether that is not known."""
    if lost is None or (state is not None and face(lost) > face(state)):
        return smallest([value for value in (state, gained) if value is not None]), False
    return gained, gained is None or state is None or face(gained) > face(state)


class Groups:
    """Checks the groups of a result: by the state before and what terms have found."""

    def __init__(self, key, column, wrong):
        self.key, self.column, self.wrong = key, column, wrong

    def check(self, before, now, found, number):
        """What is wrong with them, or None; and how many extremes there were, and were lost."""
        was, rows_before = by_group(before, self.key, self.column)
        becomes, rows_now = by_group(now, self.key, self.column)
        _, rows_net = by_group(found, self.key, self.column)
        kept = lost = 0
        for key in {row[self.key] for row, _ in found}:
            mine = [(row[self.column], sign) for row, sign in found
                    if row[self.key] == key and row[self.column] is not None]
            if rows_before[key] + rows_net[key] != rows_now[key]:
                return "count", 0, 0
            if sum(value * sign for value, sign in mine) != total(becomes[key]) - total(was[key]):
                return "sum", 0, 0
            if not self.distinct_is_right(was[key], becomes[key], mine):
                return "distinct", 0, 0
            value, unknown = next_smallest(smallest(was[key]), *self.extremes(mine, number))
            if unknown:
                lost += 1
            elif rows_now[key] > 0 and (value is None if +becomes[key] else value is not None):
                return "extreme", 0, 0
            elif rows_now[key] > 0 and value is not None and (
                    becomes[key][value] <= 0 or face(value) != face(smallest(+becomes[key]))):
                return "extreme", 0, 0
            else:
                kept += 1
        return None, kept, lost

    def extremes(self, mine, number):
        """The smallest value that was gained, and that was lost: of single rows if there is one term only."""
        if number == 1 or self.wrong == "extremes as they come":
            return tuple(smallest([value for value, sign in mine if sign == which]) for which in (1, -1))
        net = collections.Counter()
        for value, sign in mine:
            net[value] += sign
        if self.wrong == "equal means same":
            equals = collections.Counter()
            for value, surplus in net.items():
                equals[face(value)] += surplus
            net = {max(value for value in net if face(value) == half): surplus for half, surplus in equals.items()}
        return (smallest([value for value, surplus in net.items() if surplus > 0]),
                smallest([value for value, surplus in net.items() if surplus < 0]))

    @staticmethod
    def distinct_is_right(was, becomes, mine):
        """Distinct values by the number of rows that each had, and by a look at those that are there now."""
        net = collections.Counter()
        for value, sign in mine:
            net[value] += sign
        touched = [value for value in net if net[value] != 0]
        steps = sum((was[value] + net[value] > 0) - (was[value] > 0) for value in touched)
        members = (sum(becomes[value] == net[value] for value in touched if becomes[value])
                   - sum(not becomes[value] for value in touched))
        difference = len(+becomes) - len(+was)
        return steps == difference == members


def total(values):
    """The sum of a bag."""
    return sum(value * number for value, number in values.items())


# ---- cases

def joins(part):
    """All joins of a query."""
    if isinstance(part, Join):
        return [part] + joins(part.left) + joins(part.right)
    return [join for below in getattr(part, "arms", [getattr(part, "below", None)]) if below for join in joins(below)]


class Case:
    """A query, and two states of its tables."""

    def __init__(self, dice):
        while True:
            self.query = query(dice, dice.choice([1, 2, 2, 3, 3, 4, 4, 5]))
            self.before = {name: dice.table(name) for name in KEYED + BAG + STEADY}
            self.now = {name: dice.changed(name, rows) if name not in STEADY and dice.random() < 0.7 else rows
                        for name, rows in self.before.items()}
            self.changes = {name: signed_changes(name, self.before[name], self.now[name]) for name in self.before}
            self.optional = self.query.optional()
            self.changed = [instance for instance in self.query.instances() + self.optional
                            if self.changes[instance.name]]
            whole = [join for join in joins(self.query) if join.outer and join.right not in self.optional]
            if any(self.changes[join.right.name] for join in whole):
                continue
            if 0 < len(self.changed) <= MOST_CHANGED:
                break
        self.groups = dice.randrange(self.query.width), dice.randrange(self.query.width)
        self.results = [self.query.rows(Reading(state)) for state in (self.before, self.now)]

    def check(self, counts, wrong=None):
        """What is wrong, or None."""
        before, now = self.results
        found, number = [], 0
        for roles in terms(self.query.instances(), self.optional, self.changes, wrong):
            found += self.query.rows(Reading(self.now, self.changes, roles, wrong))
            number += 1
        truth, net = collections.Counter(), collections.Counter()
        for rows, factor in ((now, 1), (before, -1)):
            for row, sign in rows:
                truth[row] += sign * factor
        for row, sign in found:
            net[row] += sign
        truth, net = ({row: n for row, n in bag.items() if n} for bag in (truth, net))
        if truth != net:
            return "rows"
        optional = sum(instance in self.optional for instance in self.changed)
        linear = 2 ** (len(self.changed) - optional) - 1
        if number > linear + optional * 3 * (linear + 1):
            return "number of terms"
        counts["optional"] += optional > 0
        key = self.groups[0]
        keys = {row[key] for row, sign in found if sign > 0 or wrong != "keys of what is gained"}
        if not {row[key] for row in truth} <= keys:
            return "keys"
        fault, kept, lost = Groups(*self.groups, wrong).check(before, now, found, number)
        counts["phantoms"] += len({row for row, _ in found} - {row for row, _ in before + now})
        counts["cancel"] += sum(sign > 0 for _, sign in found) - sum(n for n in net.values() if n > 0)
        counts["extremes"] += kept
        counts["lost extremes"] += lost
        counts[f"{len(self.changed)} changed"] += 1
        return fault


def main():
    """Checks that the rules are right, and that all are needed."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    dice = Dice(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    cases = [Case(dice) for _ in range(number)]
    counts = collections.Counter()
    faults = collections.Counter(case.check(counts) for case in cases)
    del faults[None]
    print(f"{number} cases: {dict(faults) or 'all right'}; {dict(sorted(counts.items()))}")
    missing = [name for name in ("optional", "phantoms", "cancel", "extremes", "lost extremes", "4 changed") if not counts[name]]
    for wrong in WRONG:
        noticed = collections.Counter(case.check(collections.Counter(), wrong) for case in cases[:number // 4])
        del noticed[None]
        print(f"{wrong}: {dict(noticed) or 'not noticed'}")
        missing += [] if noticed else [wrong]
    return 1 if faults or missing else 0


if __name__ == "__main__":
    sys.exit(main())
