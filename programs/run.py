"""Runs a program in one mode, and writes down the results.

python -m programs.run MODE PROGRAM FILE

- `plain`: nothing is hooked.
- `hooked`: everything is.
- `undone`: everything was when the workload was run a first time.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import sys
import traceback
from pathlib import Path

from programs.hooks import Hooks, import_all
from programs.subjects import PROGRAMS, Program
from programs.suite import run_tests

TIME_LIMIT = 10 * 60  # seconds


def run_workload(program: Program) -> dict[str, str]:
    module = importlib.import_module(f"programs.workloads.{program.package}")
    results = {}
    for name, show in list(vars(module).items()):
        if name.startswith("show_"):
            try:
                results[name] = show()
            except Exception:
                results[name] = f"raised\n{traceback.format_exc()}"
    return results


def main(mode: str, name: str, file: str) -> None:
    faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
    program = PROGRAMS[name]
    not_put_back: list[str] = []
    hooks = None
    if mode == "plain":
        import_all(program)
    else:
        hooks = Hooks(program)
    if hooks and mode == "undone":
        run_workload(program)  # so that there are calls to forget
        not_put_back = hooks.undo()
    results, traces = run_workload(program), {}
    if program.tests:
        tests = run_tests(program)  # those of SQLAlchemy cannot be run twice in a process
        results.update(tests.outcomes)
        traces = tests.traces
    summary = hooks.summary() if hooks else {}
    if hooks and mode == "hooked":
        not_put_back = hooks.undo()
    report = {
        "results": results,
        "traces": traces,
        "summary": summary,
        "not_put_back": not_put_back,
    }
    Path(file).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
