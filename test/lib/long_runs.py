#!/usr/bin/python3 -B
"""What long runs have printed: test/results/long_runs.csv, and the table of doc/reliability.md that is made from it.

long_runs.py record PROGRAM SERVER ASSERTIONS COMMIT FIRST_SEED LAST_SEED STATUS: adds what a run of a program of
    test/fuzz, test/faults or test/t has printed, which is read from standard input, to the CSV file
long_runs.py next PROGRAM: prints the first seed that no run of a program has had
long_runs.py write: writes the table into the document
long_runs.py check: fails unless the document has the table
"""
import ast
import collections
import csv
import datetime
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUNS = ROOT / "test/results/long_runs.csv"
DOCUMENT = ROOT / "doc/reliability.md"
BEGIN, END = "<!-- long runs: begin -->\n", "<!-- long runs: end -->\n"
NUMBERS = ("first_seed", "last_seed", "rounds", "refreshes", "comparisons", "failures", "seconds")
COLUMNS = ("date", "commit", "program", "server", "assertions", *NUMBERS, "said")
FIRST = 100001          # of the seeds of long runs
# What a program counts, where it prints a line for each: the word for it, and a pattern of that line.
LINES = {
    "kills": ("kills", r"^killed "),
    "full_disk": ("full disks", r" bytes left, "),
    "out_of_memory": ("rounds without memory", r" bytes, failed: "),
    "cancellations": ("ends", r" transactions cancelled$"),
    "prepared": ("restarts", r"^[^,]+, \w+, \w+$"),
    "promotions": ("promotions", r"^killed after "),
    "chunks": ("interruptions", r" after \d+ chunks$"),
    "logged_states": ("refreshes", r" of WAL$"),
    "jobs": ("faults", r"^(caller|worker|dropped meanwhile): "),
}


def number(pattern, text):
    """The number that a pattern finds, or 0."""
    found = re.search(pattern, text, re.M)
    return float(found[1]) if found else 0


def read_log_fuzz(text):
    """What log_fuzz.py counts."""
    found = re.search(r"^(\{.*\}) in [\d.]+ s$", text, re.M)
    counts = collections.Counter(ast.literal_eval(found[1]) if found else {})
    return {"rounds": counts["scenarios"], "refreshes": counts["full"] + counts["keys"] + counts["delta"],
            "comparisons": counts["compared"] + counts["windows"]}


def read_time_fuzz(text):
    """What time_fuzz.py counts: it compares after each refresh, skips too, and what live() tells."""
    counts = {method: int(count) for count, method in re.findall(r"^ *(\d+) (delta|keys|full|rebuild|skip|live)$", text, re.M)}
    told = counts.pop("live", 0)
    done = sum(counts.values())
    return {"rounds": number(r"^(\d+) seeds in", text), "refreshes": done - counts.get("skip", 0), "comparisons": done + told}


def read_schemas(text):
    """What fuzz.py and its relatives count."""
    return {"rounds": number(r"^(\d+) schemas, ", text), "refreshes": number(r" (\d+) refreshes that had", text),
            "comparisons": number(r" (\d+) comparisons in ", text)}


def read_lines(program, text):
    """What a test of faults says."""
    word, pattern = LINES.get(program, ("", "(?!)"))
    rounds = len(re.findall(pattern, text, re.M))
    failed = re.search(r"^failed: .*", text, re.M)
    return {"rounds": rounds, "said": "; ".join(filter(None, [f"{rounds} {word}" if word else "", failed and failed[0]]))}


def read_concurrency(text):
    """What concurrency.py says."""
    counts = {what: f"{int(count):,}" for count, what in re.findall(r"(?:^|, )(\d+) ([a-z]+)(?=,| in )", text)}
    words = {"write": "transactions of writers", "read": "of readers", "refresh": "refresh calls", "define": "rounds of DDL"}
    return ", ".join([f"{counts.get(what, 0)} {word}" for what, word in words.items()] + re.findall(r"^waits for a swap: .*", text, re.M))


def read_output(program, text):
    """What a program has printed, as columns."""
    if program == "log_fuzz":
        row = read_log_fuzz(text)
    elif program == "time_fuzz":
        row = read_time_fuzz(text)
    elif program in ("fuzz", "terms_fuzz", "nodes_fuzz"):
        row = read_schemas(text)
    elif program == "chunk_rounds":
        rounds = sum(int(times) for times in re.findall(r"^(\d+) times \w+: ", text, re.M))
        row = {"rounds": rounds, "refreshes": rounds, "comparisons": rounds}
    elif program == "concurrency":
        row = {"said": read_concurrency(text)}
    elif program == "live_reads":
        row = {"comparisons": sum(int(told) for told in re.findall(r": (\d+) comparisons: ", text)),
               "said": "; ".join(re.findall(r"^\{.*\}$", text, re.M))}
    else:
        row = read_lines(program, text)
    row["seconds"] = sum(float(found) for found in re.findall(r"(?: in |^seed \d+, )([\d.]+) s$", text, re.M))
    return row


def read():
    """The runs that are recorded."""
    with RUNS.open(newline="") as file:
        return [{**row, **{name: int(row[name] or 0) for name in NUMBERS}} for row in csv.DictReader(file)]


def save(runs):
    """Writes all runs."""
    RUNS.parent.mkdir(exist_ok=True)
    with RUNS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(runs)


def goes_on(last, run):
    """True if a run of random schemas just goes on with the seeds of the one before."""
    same = ("date", "commit", "program", "server", "assertions")
    return (all(last[name] == run[name] for name in same) and run["first_seed"] == last["last_seed"] + 1
            and not last["said"] and not run["said"])


def record(program, server, assertions, commit, first, last, status):
    """Adds a run."""
    runs = read() if RUNS.exists() else []
    row = dict.fromkeys(COLUMNS, 0) | {
        "date": datetime.date.today().isoformat(), "commit": commit, "program": program, "server": server,
        "assertions": assertions, "first_seed": int(first), "last_seed": int(last), "said": "",
        "failures": int(status != "0")}
    text = sys.stdin.read()
    row |= read_output(program, text)
    if row["failures"] and row["rounds"] <= row["last_seed"] - row["first_seed"]:  # it has ended there
        row["last_seed"] = number(r"^(?:scenario|seed) (\d+)", text) or row["last_seed"]
    row |= {name: round(row[name]) for name in NUMBERS}
    before = next((run for run in reversed(runs) if run["program"] == program and goes_on(run, row)), None)
    if before:
        before["last_seed"] = row["last_seed"]
        for name in NUMBERS[2:]:
            before[name] += row[name]
    else:
        runs.append(row)
    save(runs)


def seeds(runs):
    """The seeds of runs, as ranges."""
    ranges = []
    for first, last in sorted((run["first_seed"], run["last_seed"]) for run in runs if run["last_seed"]):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1][1] = max(last, ranges[-1][1])
        else:
            ranges.append([first, last])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in ranges) or "not recorded"


def time_of(seconds):
    """Seconds as one says them."""
    return "" if not seconds else f"{seconds} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


def in_words(counts):
    """Counts by name as one says them; names with a colon are errors that may be."""
    said = [f"{count:,} {name}" for name, count in counts.items() if ":" not in name]
    errors = sum(count for name, count in counts.items() if ":" in name)
    return "; ".join(said + ([f"{errors:,} errors that may be"] if errors else []))


def table():
    """The tables: of random schemas, by program and server, and of the others."""
    groups = collections.defaultdict(list)
    for run in read():
        server = run["server"].split(".")[0] + (" with assertions" if run["assertions"] == "on" else "")
        groups[run["program"], server].append(run)
    lines = ["| program | PostgreSQL | rounds | refreshes | comparisons | failed | time | seeds | last |", "|" + "---|" * 9]
    others = ["| program | PostgreSQL | what | failed | time | seed | date, commit |", "|" + "---|" * 7]
    for (program, server), runs in sorted(groups.items()):
        total = {name: sum(run[name] for run in runs) for name in NUMBERS}
        last = f"{runs[-1]['date']}, {runs[-1]['commit']}"
        if any(run["refreshes"] for run in runs):
            lines.append(f"| `{program}` | {server} | {total['rounds']:,} | {total['refreshes']:,} | {total['comparisons']:,}"
                         f" | {total['failures']} | {time_of(total['seconds'])} | {seeds(runs)} | {last} |")
        else:
            for run in runs:
                what = run["said"] or (f"{run['comparisons']:,} comparisons" if run["comparisons"] else "passed")
                what = re.sub(r"\{'.*\}", lambda found: in_words(ast.literal_eval(found[0])), what).replace("|", "\\|")
                others.append(f"| `{program}` | {server} | {what} | {run['failures']} | {time_of(run['seconds'])}"
                              f" | {run['first_seed'] or ''} | {run['date']}, {run['commit']} |")
    return "\n".join([*lines, "", *others, ""])


def written():
    """The document with the table in its place."""
    text = DOCUMENT.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{DOCUMENT} lacks the marks of the table")
    return head + begin + table() + end + tail


def main():
    """Does what the command line says."""
    command, *arguments = sys.argv[1:] or [""]
    if command == "record" and len(arguments) == 7:
        record(*arguments)
    elif command == "next" and len(arguments) == 1:
        done = [run["last_seed"] for run in read() if run["program"] == arguments[0]] if RUNS.exists() else []
        print(max([FIRST - 1, *done]) + 1)
    elif command == "write":
        DOCUMENT.write_text(written())
    elif command == "check":
        if written() != DOCUMENT.read_text():
            sys.exit("doc/reliability.md does not say what test/results/long_runs.csv does: test/lib/long_runs.py write")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
