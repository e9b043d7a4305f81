#!/usr/bin/python3
"""Tests what releases are made of: META.json is what PGXN's specification asks for, all files that tell a version tell
the same one, `make dist` makes an archive that PGXN takes, and from each older version an upgrade leads to what
CREATE EXTENSION makes today."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[A-Za-z][0-9A-Za-z-]*)?$")
LICENSES = {"agpl_3", "apache_1_1", "apache_2_0", "artistic_1", "artistic_2", "bsd", "freebsd", "gfdl_1_2", "gfdl_1_3",
            "gpl_1", "gpl_2", "gpl_3", "lgpl_2_1", "lgpl_3_0", "mit", "mozilla_1_0", "mozilla_1_1", "openssl", "perl_5",
            "postgresql", "qpl_1_0", "ssleay", "sun", "zlib", "open_source", "restricted", "unrestricted", "unknown"}
PHASES = {"configure", "build", "test", "runtime", "develop"}
RELATIONS = {"requires", "recommends", "suggests", "conflicts"}
TERM = re.compile(r"[^\s/\\\x00-\x1f\x7f]{2,}$")


def check(holds, what):
    if not holds:
        sys.exit(f"not so: {what}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def versions(value):
    """The versions in a range such as ">= 1.2.0, < 2.0.0", or one alone."""
    return [re.sub(r"^(<|<=|>|>=|==|!=)\s*", "", part.strip()) for part in str(value).split(",")]


def check_meta(meta):
    for key in ("name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"):
        check(meta.get(key), f"META.json has {key}")
    check(TERM.match(meta["name"]), "the name is one")
    check(SEMVER.match(meta["version"]), "the version is semantic")
    check(meta["license"] in LICENSES, "the license is one of those that are listed")
    check(meta["meta-spec"]["version"] == "1.0.0", "the specification is 1.0.0")
    for name, provided in meta["provides"].items():
        check(TERM.match(name) and SEMVER.match(provided["version"]), f"what is provided as {name} has a version")
        for key in ("file", "docfile"):
            check(os.path.isfile(provided[key]), f"{provided[key]}, {key} of {name}, is there")
    for phase, relations in meta["prereqs"].items():
        check(phase in PHASES and set(relations) <= RELATIONS, f"{phase} is a phase, with relations")
        for required in relations.values():
            for name, value in required.items():
                check(value == 0 or all(SEMVER.match(v) for v in versions(value)), f"{name} is required in versions")
    check(all(TERM.match(tag.replace(" ", "-")) and len(tag) < 256 for tag in meta["tags"]), "the tags are tags")


def check_versions(meta):
    control = re.search(r"^default_version = '(.*)'", read("refresh_mv.control"), re.M).group(1)
    check(meta["version"] in (control, control + ".0"), "META.json and the control file tell one version")
    check(os.path.isfile(f"refresh_mv--{control}.sql"), "there is a script for the default version")
    check(re.match(r"# Changelog\n\n## " + re.escape(meta["version"]) + r" \((unreleased|\d{4}-\d\d-\d\d)\)\n", read("CHANGELOG.md")),
          "the changelog begins with that version, and its date")
    check(read("debian/changelog").startswith(f"refresh-mv ({meta['version']}-"), "the package is of that version")
    check(read("debian/control") == read("debian/control.in").replace("PGVERSION", "15"), "debian/control is made of control.in")
    return control


def check_archive(meta):
    if shutil.which("git") is None or subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, check=False).returncode != 0:
        return print("no repository, or no git, so no archive")
    name = f"{meta['name']}-{meta['version']}"
    subprocess.run(["make", "-s", "dist"], check=True)
    try:
        with zipfile.ZipFile(f"{name}.zip") as archive:
            check(archive.testzip() is None, "the archive is whole")
            entries = {entry for entry in archive.namelist() if not entry.endswith("/")}
            committed = json.loads(archive.read(f"{name}/META.json"))
    finally:
        os.unlink(f"{name}.zip")
    check(committed["name"] == meta["name"] and all(entry.startswith(name + "/") for entry in entries), "all is in one folder")
    tracked = subprocess.run(["git", "ls-tree", "-r", "--name-only", "-z", "HEAD"], capture_output=True, check=True, text=True)
    check(entries == {f"{name}/{path}" for path in tracked.stdout.split("\0") if path}, "all that is committed is in it")


SCHEMA = r"""
    SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0) AS object, coalesce(
        CASE d.classid WHEN 'pg_proc'::regclass THEN (SELECT CASE WHEN p.prokind = 'a' THEN (to_jsonb(a) - 'aggfnoid')::text
                                                                 ELSE pg_get_functiondef(p.oid) END || p.proacl::text
                                                      FROM pg_proc p LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid WHERE p.oid = d.objid)
                       WHEN 'pg_class'::regclass THEN (SELECT concat(c.relkind, c.relpersistence, c.relacl::text, c.reloptions::text,
                           pg_get_viewdef(c.oid), (SELECT string_agg(concat(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                               col_description(c.oid, a.attnum), (SELECT pg_get_expr(f.adbin, f.adrelid) FROM pg_attrdef f
                                                                  WHERE f.adrelid = c.oid AND f.adnum = a.attnum)), ',' ORDER BY a.attname)
                               FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
                           (SELECT string_agg(pg_get_constraintdef(k.oid), ',' ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid),
                           (SELECT string_agg(pg_get_indexdef(i.indexrelid), ',' ORDER BY i.indexrelid::regclass::text) FROM pg_index i WHERE i.indrelid = c.oid),
                           (SELECT string_agg(pg_get_triggerdef(t.oid), ',' ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal))
                           FROM pg_class c WHERE c.oid = d.objid)
                       WHEN 'pg_event_trigger'::regclass THEN (SELECT concat(e.evtevent, e.evtfoid::regproc, e.evtenabled, e.evttags::text)
                                                               FROM pg_event_trigger e WHERE e.oid = d.objid)
        END, '') || coalesce(obj_description(d.objid, d.classid::regclass::name), '') AS definition
    FROM pg_depend d JOIN pg_extension x ON x.extname = 'refresh_mv' AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid
    WHERE d.deptype = 'e' ORDER BY 1
"""


def psql(database, sql):
    return subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", "SET client_min_messages = warning", "-c", sql],
                          check=True, capture_output=True, text=True).stdout


def check_upgrades(current):
    """An upgrade from each older version of which there is a script makes what CREATE EXTENSION makes."""
    older = sorted({name[len("refresh_mv--"):-len(".sql")] for name in glob.glob("refresh_mv--*.sql")
                    if name.count("--") == 1} - {current})
    upgrades = {name[len("refresh_mv--"):-len(".sql")].split("--")[0] for name in glob.glob("refresh_mv--*--*.sql")}
    check(upgrades <= set(older), "upgrades begin with versions of which there is a script")
    database = "refresh_mv_package"
    schemas = {}
    for version in [current, *older]:
        psql("postgres", f"DROP DATABASE IF EXISTS {database}")
        psql("postgres", f"CREATE DATABASE {database}")
        psql(database, f"CREATE EXTENSION refresh_mv VERSION '{version}'")
        psql(database, "ALTER EXTENSION refresh_mv UPDATE")
        schemas[version] = psql(database, SCHEMA)
        check(len(schemas[version]) > 10000, "there is a schema to compare")
        check(schemas[version] == schemas[current], f"an upgrade from {version} makes what CREATE EXTENSION makes")
    psql("postgres", f"DROP DATABASE {database}")
    print(f"upgrades from {', '.join(older) or 'none'}")


META = json.loads(read("META.json"))
check_meta(META)
CURRENT = check_versions(META)
check_archive(META)
check_upgrades(CURRENT)
