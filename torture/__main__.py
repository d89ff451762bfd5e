"""Runs CPython's tests unpatched and in each mode, and compares how each test ended."""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torture
from torture.subjects import SHORT, SUBJECTS, THROUGH, why_expected

MODES = ["clone", "elsewhere", "original", "undone", "through"]
SHORT_MODES = ["clone", "elsewhere", "original", "through"]
KINDS = ("differing", "expected", "unsteady")
PROCESS = "the process that ran the tests"
ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Run:
    """How each test of a subject ended."""

    patched: int
    not_put_back: str
    outcomes: dict[str, str]
    traces: dict[str, str]

    @classmethod
    def of(cls, mode: str, subject: str) -> Run:
        """Runs the tests in a process of its own: what one test leaves behind is gone then."""
        inherited = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        with tempfile.TemporaryDirectory() as directory:
            report = Path(directory, "report.json")
            command = [sys.executable, "-X", "faulthandler", "-m", "torture.run"]
            done = subprocess.run(
                [*command, mode, subject, str(report)],
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
            )
            if done.returncode == 0 and report.exists():
                return cls(**json.loads(report.read_text(encoding="utf-8")))
        trace = done.stderr.decode(errors="replace")[-4000:]
        return cls(0, "", {PROCESS: f"ended with {done.returncode}"}, {PROCESS: trace})

    def differences(self, plain: Run) -> dict[str, str]:
        """The tests that did not end as they did with nothing patched."""
        if PROCESS in self.outcomes:
            return {PROCESS: self.outcomes[PROCESS]}
        return {
            name: f"{plain.outcomes.get(name, 'absent')}, now {self.outcomes.get(name, 'absent')}"
            for name in plain.outcomes.keys() | self.outcomes.keys()
            if plain.outcomes.get(name) != self.outcomes.get(name)
        }


@dataclasses.dataclass
class Verdict:
    """The differences that one mode made to one subject."""

    differing: list[str] = dataclasses.field(default_factory=list)
    expected: list[str] = dataclasses.field(default_factory=list)
    unsteady: list[str] = dataclasses.field(default_factory=list)

    def describe(self) -> str:
        words = ["equal" if not self.differing else f"{len(self.differing)} DIFFERENT"]
        words += [f"{len(self.expected)} expected differences"] if self.expected else []
        words += [f"{len(self.unsteady)} unsteady"] if self.unsteady else []
        return ", ".join(words)


def judge(mode: str, subject: str, plain: Run, run: Run) -> Verdict:
    """Looks again at each difference: a test that can end in two ways says nothing."""
    verdict = Verdict()
    first = run.differences(plain)
    unexplained = {}
    for name, difference in sorted(first.items()):
        if reason := why_expected(name, mode):
            verdict.expected.append(f"{name}: {reason}")
        else:
            unexplained[name] = difference
    if run.not_put_back:
        verdict.differing.append(f"after undo {run.not_put_back}")
    if unexplained:
        again_plain, again = Run.of("nothing", subject), Run.of(mode, subject)
        second = again.differences(again_plain)
        for name, difference in unexplained.items():
            is_steady = plain.outcomes.get(name) == again_plain.outcomes.get(name)
            is_crash = name == PROCESS  # one is enough
            if is_crash or (is_steady and second.get(name) == difference):
                trace = run.traces.get(name) or plain.traces.get(name, "")
                last_lines = "\n".join(trace.splitlines()[-12:])
                verdict.differing.append(f"{name}: {difference}\n{last_lines}")
            else:
                verdict.unsteady.append(f"{name}: {difference}, then {second.get(name, 'equal')}")
    return verdict


def indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())


@dataclasses.dataclass
class Finding:
    """What all modes made of one subject, and the lines that say so."""

    tests: int
    lines: list[str]
    patches: int = 0
    verdict: Verdict = dataclasses.field(default_factory=Verdict)


def examine(subject: str, modes: list[str]) -> Finding:
    plain = Run.of("nothing", subject)
    passed = sum(outcome == "passed" for outcome in plain.outcomes.values())
    lines = [f"{subject}: {len(plain.outcomes)} tests, {passed} pass unpatched"]
    finding = Finding(len(plain.outcomes), lines)
    if not plain.outcomes:
        finding.verdict.differing.append(f"{subject}: no tests were found")
    for mode in modes:
        run = Run.of(mode, subject)
        finding.patches += run.patched
        verdict = judge(mode, subject, plain, run)
        lines.append(f"  {mode}: {run.patched} patches, {verdict.describe()}")
        for kind in KINDS:
            found = getattr(verdict, kind)
            lines.extend(f"    {kind}: {indented(line).lstrip()}" for line in found)
            getattr(finding.verdict, kind).extend(found)
    return finding


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m torture",
        description=torture.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}")
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(SHORT)}")
    parser.add_argument("--modes", nargs="+", choices=MODES, help="by default all")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    if not importlib.util.find_spec("test.support"):
        parser.error("this Python has no package `test` (Debian: libpython3-testsuite)")
    subjects = options.subjects or (SHORT if options.short else list(SUBJECTS))
    modes = options.modes or (SHORT_MODES if options.short else MODES)

    def examine_in_turn(subject: str) -> Finding:
        # Most modes are for all subjects.
        is_for = {mode: options.modes or mode != "through" or subject in THROUGH for mode in modes}
        return examine(subject, [mode for mode in modes if is_for[mode]])

    patches = tests = 0
    total = Verdict()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for finding in pool.map(examine_in_turn, subjects):
            print("\n".join(finding.lines), flush=True)
            patches += finding.patches
            tests += finding.tests
            for kind in KINDS:
                getattr(total, kind).extend(getattr(finding.verdict, kind))
    print(
        f"{sys.version.split()[0]}: {len(subjects)} subjects, {tests:,} tests, each also in "
        f"{len(modes)} modes with {patches:,} patches: {total.describe()}"
    )
    return 1 if total.differing else 0


if __name__ == "__main__":
    sys.exit(main())
