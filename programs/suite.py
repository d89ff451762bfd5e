"""Gets the tests that a program brings along, and runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from programs.subjects import Program

HERE = Path(__file__).resolve().parent


def source(program: Program) -> Path:
    """Return the directory with a program's source, and download it if it is not there."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("HOTPATCH_PROGRAMS") or Path(caches, "hotpatch", "programs"))
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    (requirement,) = (line for line in lines if line.startswith(f"{program.package}=="))
    found = cache / requirement.replace("==", "-")
    if not found.exists():
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run(
            [*download, "--no-binary", program.package, "--dest", str(cache), requirement],
            check=True,
        )
        with tarfile.open(f"{found}.tar.gz") as archive:
            archive.extractall(cache, filter="data")
    return found


class Outcomes:
    """A plugin for pytest that takes down how each test ends."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.traces: dict[str, str] = {}

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        self.outcomes[report.nodeid] = f"{report.outcome} at {report.when}"
        if report.outcome == "failed":
            self.traces[report.nodeid] = report.longreprtext[-4000:]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome != "passed":
            self.note(report)


def run_tests(program: Program) -> Outcomes:
    """Run a program's own tests, and say how they end."""
    directory, outcomes = source(program), Outcomes()
    os.chdir(directory)
    options: list[Any] = ["-q", "-p", "no:cacheprovider", "--tb=short", f"--rootdir={directory}"]
    # A warning of a newer Python or pytest is no error.
    options += ["-o", "filterwarnings=default", "-o", "addopts="]
    code = pytest.main([*options, *program.options, *program.tests], plugins=[outcomes])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.exit(f"pytest ended with {code!r}")
    return outcomes
