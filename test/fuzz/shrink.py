"""Makes a script that fails smaller, as long as it fails in the same way."""
import dataclasses
import time

from script import alternatives, simplified


def fewer(items, fails):
    """Delta debugging: items without those that the failure does not need, their order kept."""
    size = max(1, len(items) // 2)
    while True:
        start, done = 0, False
        while start < len(items):
            rest = items[:start] + items[start + size:]
            if fails(rest):
                items, done = rest, True
            else:
                start += size
        if size == 1 and not done:
            return items
        size = max(1, size // 2)


class Shrinker:
    """Replays variants of a script."""

    def __init__(self, replay, failure, seconds):
        self.replay = replay       # of a script: its Failure, or None
        self.failure = failure
        self.end = time.monotonic() + seconds

    def fails(self, script):
        """True if a script fails in the same way."""
        if time.monotonic() > self.end:
            return False
        found = self.replay(script)
        if found is None or found.kind != self.failure.kind:
            return False
        self.failure = found
        return True

    def shrink(self, script):
        """The smallest script that was found."""
        units = fewer(list(dict.fromkeys(step.unit for step in script)),
                      lambda kept: self.fails([step for step in script if step.unit in kept]))
        script = [step for step in script if step.unit in units]
        size = None
        while size != self.size(script) and time.monotonic() < self.end:
            size = self.size(script)
            script = fewer(script, self.fails)
            for field in ("views", "rows"):
                for i in reversed(range(len(script))):
                    script = self.with_fewer(script, i, field)
            for i in reversed(range(len(script))):
                script = self.simpler(script, i)
        return script

    @staticmethod
    def size(script):
        """What shrinks."""
        return sum(len(step.sql) + len(step.views) + len(step.rows) + 1 for step in script)

    def with_fewer(self, script, i, field):
        """A step with fewer views or rows."""
        def replaced(items):
            return script[:i] + [dataclasses.replace(script[i], **{field: tuple(items)})] + script[i + 1:]
        items = list(getattr(script[i], field))
        return replaced(fewer(items, lambda kept: kept and self.fails(replaced(kept)))) if len(items) > 1 else script

    def simpler(self, script, i):
        """A step with simpler alternatives."""
        at = 0
        while True:
            places = [place for place in alternatives(script[i].sql) if place[0] >= at]
            if not places:
                return script
            sql = simplified(script[i].sql, places[0])
            changed = script[:i] + [dataclasses.replace(script[i], sql=sql)] + script[i + 1:]
            if self.fails(changed):
                script = changed
            else:
                at = places[0][0] + 1
