"""Replays versions of packages with `hotpatch.reload()`, and compares them with fresh processes."""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import replays
from replays.explain import DERIVED, IMPORTED, KNOWN, REPORTED, WRONG, Comparison, Difference
from replays.subjects import EXPECTED, SUBJECTS, Subject
from replays.versions import wheel

ROOT = Path(__file__).resolve().parent.parent
KINDS = (WRONG, REPORTED, IMPORTED, DERIVED, KNOWN)
COLUMNS = ("package", "versions", "changes", "places", "results", *KINDS, "CPU", "longest")
SLOW_MS = 300
FEW = 5  # differences of a version, that are listed
# So that what is hashed and drawn is the same each time.
ENVIRONMENT = {"PYTHONHASHSEED": "0", "COLUMNS": "80", "LC_ALL": "C.UTF-8"}


def run(package: str, *versions: str) -> list[dict[str, Any]]:
    """Replay versions of a package in a process of its own, and return what that wrote down."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "taken.json")
        command = [sys.executable, "-X", "faulthandler", "-m", "replays.run", package, str(file)]
        done = subprocess.run(
            [*command, *versions],
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path, "TMPDIR": directory},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            said = done.stdout.decode(errors="replace")[-4000:]
            sys.exit(f"{package}, {versions}: the process ended with {done.returncode}\n{said}")
        taken: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        return taken


def examine(
    subject: Subject, taken: list[dict[str, Any]], fresh: list[dict[str, Any]]
) -> tuple[list[str], list[Difference]]:
    """Return the row of the table for a package, and each difference where it is first seen."""
    comparison = Comparison(subject)
    seen: dict[str, Difference] = {}
    for version, one, other in zip(subject.versions, taken, fresh, strict=False):
        for it in comparison.differences(version, one, other):
            if it.place not in seen or (it.kind == WRONG != seen[it.place].kind):
                seen[it.place] = it
    counts = collections.Counter(it.kind for it in seen.values())
    reloads = [it["reload"] for it in taken[1:]]
    spent = [1000 * it["cpu"] for it in reloads]
    row = [
        subject.package,
        f"{len(taken)} of {len(subject.versions)}",
        f"{sum(len(it['changed']) for it in reloads):,}",
        f"{len(taken[-1]['structure']):,}",
        f"{len(taken[-1]['results']):,}",
        *[f"{counts[kind]:,}" for kind in KINDS],
        f"{statistics.median(spent):,.0f} ms",
        f"{max(spent):,.0f} ms",
    ]
    return row, [*seen.values()]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m replays",
        description=replays.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of {', '.join(SUBJECTS)}")
    parser.add_argument("--show", choices=KINDS, action="append", help="list these differences")
    options = parser.parse_args()
    if unknown := set(options.packages) - set(SUBJECTS):
        parser.error(f"no such package: {', '.join(sorted(unknown))}")
    subjects = [SUBJECTS[name] for name in options.packages or SUBJECTS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for subject in subjects:
            list(pool.map(wheel, [subject.distribution] * len(subject.versions), subject.versions))
        taken = {it.package: pool.submit(run, it.package, *it.versions) for it in subjects}
        fresh = {
            it.package: [pool.submit(run, it.package, version) for version in it.versions]
            for it in subjects
        }
        found = {
            it.package: examine(
                it, taken[it.package].result(), [one.result()[0] for one in fresh[it.package]]
            )
            for it in subjects
        }
    rows = [list(COLUMNS), ["---", *["---:"] * (len(COLUMNS) - 1)]]
    rows += [row for row, _ in found.values()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |")
    is_wrong = False
    for package, (_, differences) in found.items():
        shown = collections.Counter[tuple[str, str]]()
        for it in differences:
            is_wrong |= it.kind == WRONG
            shown[it.kind, it.version] += 1
            is_one_of_few = it.kind == WRONG and shown[it.kind, it.version] <= FEW
            if is_one_of_few or it.kind in (options.show or ()):
                print(f"{it.kind.upper()}: {package} {it}")
        for (kind, version), count in shown.items():
            if kind == WRONG and count > FEW and WRONG not in (options.show or ()):
                print(f"WRONG: {package} {version}: and {count - FEW:,} more; see --show {WRONG}")
        for version, one in zip(SUBJECTS[package].versions, taken[package].result(), strict=False):
            spent = 1000 * one["reload"].get("cpu", 0)
            if spent > SLOW_MS:
                changes = len(one["reload"]["changed"])
                print(f"slow: {package} {version}: {spent:,.0f} ms for {changes:,} changes")
    if not options.packages:
        texts = [f"{it}" for _, differences in found.values() for it in differences]
        for name in EXPECTED:
            if not any(name in text for text in texts):
                is_wrong = True
                print(f"WRONG: {name} has to differ, and does not")
    print(f"{sys.version.split()[0]}: {'something is WRONG' if is_wrong else 'all equal'}")
    return is_wrong


if __name__ == "__main__":
    sys.exit(main())
