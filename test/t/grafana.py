#!/usr/bin/env python3
"""Tests doc/grafana.json: that it is a dashboard, whose queries are of metrics and labels that doc/postgres_exporter.yaml
exports, and that shows all of these; whose panels have ids of their own, and do not lie over each other."""

import itertools
import json
import os
import re
import sys

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "doc")


def exported():
    """The metrics and labels of the exporter's file."""
    metrics, labels, prefix, name = set(), set(), None, None
    with open(os.path.join(DOC, "postgres_exporter.yaml"), encoding="utf-8") as file:
        for line in file:
            prefix = m[1] if (m := re.match(r"(\w+):$", line)) else prefix
            name = m[1] if (m := re.match(r"    - (\w+):$", line)) else name
            if m := re.match(r'        usage: "(\w+)"$', line):
                labels.add(name) if m[1] == "LABEL" else metrics.add(f"{prefix}_{name}")
    return metrics, labels


def queries(board):
    """Each query, with what it is for; those of variables too."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"] + " " + target["legendFormat"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]


def faults_of_query(query, metrics, labels):
    for metric in re.findall(r"\brefresh_mv\w*", query):
        if metric not in metrics:
            yield f"{metric} is not exported"
    used = re.findall(r"(\w+)\s*=~?\s*\"", query) + re.findall(r"{{(\w+)}}", query)
    for group in re.findall(r"\bby \(([^)]*)\)", query):
        used += re.findall(r"\w+", group)
    for label in used:
        if label not in labels:
            yield f"{label} is no label"
    if query.count("(") != query.count(")") or query.count("{") != query.count("}"):
        yield "brackets do not match"


def overlap(a, b):
    a, b = a["gridPos"], b["gridPos"]
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def faults_of_panels(panels):
    if len({panel["id"] for panel in panels}) != len(panels):
        yield "two panels have one id"
    for panel in panels:
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24:
            yield f"{panel['title']} goes beyond the edge"
    for a, b in itertools.combinations(panels, 2):
        if overlap(a, b):
            yield f"{a['title']} and {b['title']} lie over each other"


def variables_without_definition(board):
    defined = {v["name"] for v in board["templating"]["list"]}
    return set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(board))) - defined


def main():
    with open(os.path.join(DOC, "grafana.json"), encoding="ascii") as file:
        board = json.load(file)
    metrics, labels = exported()
    faults = [f"{what}: {fault}" for what, query in queries(board) for fault in faults_of_query(query, metrics, labels)]
    faults += faults_of_panels(board["panels"])
    faults += [f"${name} is not defined" for name in variables_without_definition(board)]
    shown = " ".join(query for _, query in queries(board))
    faults += [f"{metric} is not shown" for metric in metrics if metric not in shown]
    assert len(metrics) >= 9 and {"datname", "schema", "name"} <= labels, (metrics, labels)
    assert len(list(queries(board))) >= 10
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


main()
