#!/usr/bin/env python3
"""The charts and tables of the documentation are what the files in bench/results say."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "doc/performance.md")


def check(root):
    """What the program finds in such a tree; nothing if all is well."""
    run = subprocess.run([sys.executable, "-B", root / "bench" / "figures.py", "check"], capture_output=True, encoding="utf-8", check=False)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def with_change(root, name, old, new):
    """What is found if something in a file is changed."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    changed = text.replace(old, new, 1)
    assert changed != text, f"{name} has no {old!r}"
    path.write_text(changed, encoding="utf-8")
    found = check(root)
    path.write_text(text, encoding="utf-8")
    return found


def main():
    """Checks the tree, and that the check can fail."""
    assert not check(ROOT), check(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        shutil.copytree(ROOT / "bench", copy / "bench")
        (copy / "doc").mkdir()
        for name in DOCUMENTS:
            shutil.copy(ROOT / name, copy / name)
        assert not check(copy), check(copy)
        assert "doc/performance.md does not say" in with_change(copy, "doc/performance.md", "| q06 |", "| q6 |")
        assert "tpch.svg was made of another file" in with_change(copy, "bench/results/tpch.csv", "q06", "q66")
        assert "has no table of matrix" in with_change(copy, "doc/performance.md", "figures: matrix", "figure: matrix")
    print("all is as the files say")


main()
