"""Draws the files of bench/results as charts, and makes the tables of the documentation from them.

    figures.py draw [PART...]   bench/results/PART.svg of each PART.csv, by gnuplot; of all if none is named
    figures.py document         the tables in README.md and doc/performance.md, between their markers
    figures.py check            fails if a chart or a table is not what its file says

A chart says in its description of which bytes of its file it was made. A table stands between

    <!-- figures: PART -->
    <!-- end of figures -->
"""
import csv
import hashlib
import math
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
DOCUMENTS = ("README.md", "doc/performance.md")
SMART, CORE, CONCURRENTLY = "smart", "REFRESH", "CONCURRENTLY"
OURS, GREY = "#1b7f5c", "#8a8a8a"
COLOURS = {SMART: OURS, "refresh_mv": OURS, "tracked": OURS, CORE: "#c0572b", CONCURRENTLY: "#6b6fb3", "coarse": "#b08a1e",
           "pg_ivm": "#b08a1e", "TimescaleDB": "#3d8fc4", "nothing": GREY}   # of what has the same name in several charts
MORE_COLOURS = ("#1b7f5c", "#c0572b", "#6b6fb3", "#b08a1e", "#3d8fc4", "#8a8a8a")
CHANGES = {"rf": "RF1 and RF2 (0.1 % of the orders come, as many go)", "small": "RF1 and RF2 of 125 orders",
           "rf3": "changes of 500 prices and 500 balances", "one": "a change of one line"}   # of TPC-H, by their names there


class Results:
    """A file of results: what it says of itself, and its rows."""

    def __init__(self, part):
        self.path = RESULTS / f"{part}.csv"
        lines = self.path.read_text(encoding="utf-8").splitlines()
        self.head = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
        self.rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))

    def hash(self):
        """What tells these bytes from others."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def said(self):
        """By what, on what and when it was made."""
        return (f"`{self.head['made by'].split(', which runs ')[-1]}`, {self.head['date']}: {self.head['server']}, "
                f"{self.head['machine']}; {self.head['how']}.")


def number(text):
    """A number of the file; null if it could not be had."""
    return float(text) if text else None


def short(value):
    """A number as people like to read it."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(old, new):
    """How many times as fast the new one is."""
    return "–" if not old or not new else f"{old / new:.1f}"


def mean(values):
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def table(titles, rows):
    """A table in Markdown, all of whose columns but the first ones with words are numbers."""
    words = [any(re.search("[A-Za-z]", str(row[i])) for row in rows) for i in range(len(titles))]
    lines = ["| " + " | ".join(titles) + " |", "|" + "|".join("---" if word else "--:" for word in words) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def in_order(values):
    """Each value once, in the order in which they come."""
    return list(dict.fromkeys(values))


# ---- charts ----

def bars(title, label, groups, series, log=True, bars_of=None):
    """A chart of a group of bars for each of some names: series are (name, values), values null where there is none; bars_of
    are the ends of what is drawn as the spread of each."""
    longest = max(map(len, groups))
    width = max(900, 60 + len(groups) * (len(series) * 11 + 14) + 4 * longest)
    lines = [f'set terminal svg noenhanced size {width},{330 + 5 * longest} dynamic background "white" font "sans-serif,13"', f'set title "{title}"', f'set ylabel "{label}"',
             "set style data histograms", f"set style histogram {'errorbars' if bars_of else 'clustered'} gap 1 {'lw 1' if bars_of else ''}",
             "set style fill solid border rgb '#333333'", "set boxwidth 0.9", "set grid y lc rgb '#dddddd'",
             "set key outside top center horizontal", "set xtics rotate by -35 nomirror scale 0", f"set bmargin {2.5 + 0.25 * longest}",
             f"set rmargin {2 + 0.7 * longest}"]
    if log:
        lines += ["set logscale y", 'set format y "%g"']
    else:
        lines += ["set yrange [0:*]", "set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb '#333333' dt 2"]
    lines.append("$data << END")
    for i, group in enumerate(groups):
        cells = [f'"{group}"']
        for j, (_, values) in enumerate(series):
            cells.append("NaN" if values[i] is None else str(values[i]))
            if bars_of:
                cells += [str(end) for end in bars_of[j][i]]
        lines.append(" ".join(cells))
    lines.append("END")
    step = 3 if bars_of else 1
    plots = []
    for j, (name, _) in enumerate(series):
        first = 2 + j * step
        using = f"{first}:{first + 1}:{first + 2}:xtic(1)" if bars_of else f"{first}:xtic(1)"
        plots.append(f"$data using {using} title '{name}' lc rgb '{COLOURS.get(name, MORE_COLOURS[j % len(MORE_COLOURS)])}'")
    return lines + ["plot " + ", ".join(plots)]


def three(title, rows):
    """A chart of the smart refresh of each view beside core's two."""
    columns = ((CORE, "refresh_ms"), (CONCURRENTLY, "concurrently_ms"), (SMART, "ms"))
    return bars(title, "ms (log)", [row["view"] for row in rows],
                [(name, [number(row[column]) for row in rows]) for name, column in columns])


def tpch_rows(results, change):
    """The views that were refreshed one by one after a change."""
    return [row for row in results.rows if row["form"] == "alone" and row["change"] == change and row["view"] != "all"]


def tpch_chart(results):
    """All views after RF1 and RF2."""
    change = in_order(row["change"] for row in results.rows)[0]
    return three(f"TPC-H's queries as views at scale {results.rows[0]['size']}, after {CHANGES[change]}", tpch_rows(results, change))


def demo_rows(results, change):
    """The views of the largest database."""
    largest = max((row["orders"] for row in results.rows), key=int)
    return [row for row in results.rows if row["orders"] == largest and row["change"] == change and row["view"] != "all"]


def demo_chart(results):
    """All views after the first change."""
    change = in_order(row["change"] for row in results.rows)[0]
    rows = demo_rows(results, change)
    return three(f"the demo's views over {int(rows[0]['orders']):,} orders: {change}", rows)


def matrix_chart(results):
    """How many times as fast, by how many rows changed."""
    rows = [row for row in results.rows if row["form"] == "alone" and row["view"] != "all"]
    changes = in_order(row["change"] for row in rows)
    series = []
    for view in in_order(row["view"] for row in rows):
        of = {row["change"]: number(row["refresh_ms"]) / number(row["ms"]) for row in rows if row["view"] == view}
        series.append((view, [of.get(change) for change in changes]))
    return bars(f"REFRESH / smart refresh, by what has changed of {int(float(rows[0]['size'])):,} rows", "times as fast (log)", changes, series)


def write_cost_rows(results):
    """Those of a single client, with the most views."""
    views = max((row["views"] for row in results.rows), key=int)
    return [row for row in results.rows if row["views"] == views and row["clients"] == "1"]


def write_cost_chart(results):
    """The ratios of all statements."""
    rows = write_cost_rows(results)
    return ratios("a statement on a tracked table / on a bare one, as a client sees it", rows, "operation", "fsync", "fsync {}")


def write_cpu_chart(results):
    """The same in processor time."""
    return ratios("processor time of a statement / on a bare table", results.rows, "statement", "table", "{}")


def ratios(title, rows, group, kind, name):
    """A chart of ratios and where their middle half is."""
    groups, kinds = in_order(row[group] for row in rows), in_order(row[kind] for row in rows)
    of = {(row[group], row[kind]): row for row in rows}
    missing = {"ratio": "", "low": "NaN", "high": "NaN"}
    cells = [[of.get((one, other), missing) for one in groups] for other in kinds]
    return bars(title, "times as long", groups, [(name.format(other), [number(cell["ratio"]) for cell in line]) for other, line in zip(kinds, cells)],
                log=False, bars_of=[[(cell["low"], cell["high"]) for cell in line] for line in cells])


def peers_chart(results):
    """To write and to refresh, by each peer."""
    groups = in_order((row["view"], row["change"]) for row in results.rows)
    peers = in_order(row["peer"] for row in results.rows)
    of = {(row["view"], row["change"], row["peer"]): number(row["total_ms"]) for row in results.rows}
    return bars("to write, and to have the view right", "ms (log)", [f"{view}: {change}" for view, change in groups],
                [(peer, [of.get((*group, peer)) for group in groups]) for peer in peers])


CHARTS = {"tpch": tpch_chart, "demo": demo_chart, "matrix": matrix_chart, "write_cost": write_cost_chart, "write_cpu": write_cpu_chart,
          "peers": peers_chart}


def draw(part):
    """Draws a chart, and says in it what it is of."""
    results = Results(part)
    script = "\n".join(CHARTS[part](results)) + "\n"
    drawn = subprocess.run(["gnuplot"], input=script, capture_output=True, encoding="utf-8", check=True).stdout
    made = f"<desc>bench/results/{part}.csv, SHA-256 {results.hash()}</desc>"
    drawn, count = re.subn("<desc>.*?</desc>", made, drawn, count=1, flags=re.S)
    if count != 1:
        raise SystemExit("gnuplot's file has no description")
    (RESULTS / f"{part}.svg").write_text(drawn, encoding="utf-8")


# ---- tables ----

def three_table(rows):
    """The same as three(), in numbers."""
    lines = [(row["view"], row["method"], short(number(row["ms"])), short(number(row["refresh_ms"])), short(number(row["concurrently_ms"])),
              times(number(row["refresh_ms"]), number(row["ms"])), times(number(row["concurrently_ms"]), number(row["ms"]))) for row in rows]
    changed = [row for row in rows if row["method"] != "skip"]
    means = [[number(row[column]) / number(row["ms"]) for row in changed if row[column]] for column in ("refresh_ms", "concurrently_ms")]
    lines.append((f"mean of {len(changed)}", "", "", "", "", *(f"{mean(known):.1f}" if known else "–" for known in means)))
    return table(("view", "method", "smart, ms", "REFRESH, ms", "CONCURRENTLY, ms", "times REFRESH", "times CONCURRENTLY"), lines)


def by_change(results, rows_of):
    """A table for each change."""
    parts = []
    for change in in_order(row["change"] for row in results.rows):
        rows = rows_of(results, change)
        if rows:
            parts.append(f"After {CHANGES.get(change, change)}:\n\n{three_table(rows)}")
        for row in results.rows:
            if row["view"] == "all" and row["change"] == change:
                parts.append(f"All in one call: {short(number(row['ms']))} ms, where `REFRESH` of each takes {short(number(row['refresh_ms']))} ms: "
                             f"{times(number(row['refresh_ms']), number(row['ms']))} times as fast.")
    return "\n\n".join(parts)


def tpch_table(results):
    """All changes, and both forms in all."""
    return by_change(results, tpch_rows)


def demo_table(results):
    """All changes at the largest size."""
    return by_change(results, demo_rows)


def matrix_table(results):
    """Of each view and change, how many times as fast."""
    rows = [row for row in results.rows if row["form"] == "alone" and row["view"] != "all"]
    changes = in_order(row["change"] for row in rows)
    of = {(row["view"], row["change"]): row for row in rows}
    lines = []
    for view in in_order(row["view"] for row in rows):
        cells = [of.get((view, change)) for change in changes]
        lines.append((view, *(f"{times(number(cell['refresh_ms']), number(cell['ms']))} ({cell['method']})" if cell else "–" for cell in cells)))
    return table(("view", *changes), lines)


def ratio_table(rows, columns, unit):
    """Ratios with their spread and bars."""
    known = [name for name in rows[0] if name.endswith("_us")]
    lines = [(*(row[column] for column in columns), *(short(number(row[name])) for name in known),
              f"{float(row['ratio']):.2f}", f"{float(row['low']):.2f}–{float(row['high']):.2f}", row["bar"] or "–") for row in rows]
    return table((*columns, *(f"{name[:-3]}, {unit}" for name in known), "ratio", "middle half", "bar"), lines)


def write_cost_table(results):
    """Of one client and of several."""
    return ratio_table(results.rows, ("operation", "clients", "views", "fsync"), "us")


def write_cpu_table(results):
    """All statements."""
    return ratio_table(results.rows, ("statement", "table"), "us")


def peers_table(results):
    """Each peer a column: to write + to refresh."""
    peers = in_order(row["peer"] for row in results.rows)
    of = {(row["view"], row["change"], row["peer"]): row for row in results.rows}
    lines = []
    for view, change in in_order((row["view"], row["change"]) for row in results.rows):
        cells = [of.get((view, change, peer)) for peer in peers]
        lines.append((view, change, *("–" if cell is None else short(number(cell["write_ms"])) + (f" + {short(number(cell['refresh_ms']))}" if cell["refresh_ms"] else "")
                                      for cell in cells)))
    return table(("view", "change", *(f"{peer}, ms" for peer in peers)), lines)


def answer(row):
    """What a peer says to a view."""
    why = row["way"] or row["message"]
    return (f"{row['answer']}: {why}" if why else row["answer"]).replace("|", "\\|")


def peers_views_table(results):
    """Each peer a column: its answer. One that says the same to all has a line below."""
    peers = in_order(row["peer"] for row in results.rows)
    of = {(row["kind"], row["peer"]): answer(row) for row in results.rows}
    kinds = in_order(row["kind"] for row in results.rows)
    answers = {peer: {of[kind, peer] for kind in kinds} for peer in peers}
    columns = [peer for peer in peers if len(answers[peer]) > 1]
    text = table(("view", *columns), [(kind, *(of[kind, peer] for peer in columns)) for kind in kinds])
    return text + "".join(f"\n\n{peer}, to all of them: {answers[peer].pop()}." for peer in peers if peer not in columns)


TABLES = {"tpch": tpch_table, "demo": demo_table, "matrix": matrix_table, "write_cost": write_cost_table, "write_cpu": write_cpu_table,
          "peers": peers_table, "peers_views": peers_views_table}
MARKED = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.S)


def documented(text):
    """The text with its tables made anew, of the files that are there."""
    def fill(match):
        if not (RESULTS / f"{match[2]}.csv").exists():
            return match[0]
        results = Results(match[2])
        return f"{match[1]}{TABLES[match[2]](results)}\n\n{results.said()}\n{match[3]}"
    return MARKED.sub(fill, text)


def document():
    """Makes the tables of all documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(documented(path.read_text(encoding="utf-8")), encoding="utf-8")


def check():
    """Tells what is not as its file says."""
    faults = []
    for path in sorted(RESULTS.glob("*.csv")):
        results = Results(path.stem)
        if not results.rows or None in results.rows[0].values() or not {"made by", "server", "machine", "date", "how"} <= set(results.head):
            faults.append(f"{path.name} has no rows, or does not say what it is")
        if path.stem in CHARTS:
            root = xml.etree.ElementTree.fromstring((RESULTS / f"{path.stem}.svg").read_bytes())
            if results.hash() not in "".join(node.text or "" for node in root if node.tag.endswith("desc")):
                faults.append(f"{path.stem}.svg was made of another file: bench/all --document")
    told = set()
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        told |= set(match[2] for match in MARKED.finditer(text))
        if documented(text) != text:
            faults.append(f"{name} does not say what bench/results does: bench/all --document")
    files = {path.stem for path in RESULTS.glob("*.csv")}
    faults += [f"doc/performance.md has no table of {name}" for name in sorted(files - told)]
    faults += [f"there is no bench/results/{name}.csv" for name in sorted(told - files)]
    return faults


def main():
    """Does what the first argument says."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "draw":
        for part in sys.argv[2:] or [part for part in CHARTS if (RESULTS / f"{part}.csv").exists()]:
            draw(part)
    elif command == "document":
        document()
    elif command == "check":
        faults = check()
        print("\n".join(faults) or "all is as the files say")
        sys.exit(bool(faults))
    else:
        sys.exit(__doc__)


main()
