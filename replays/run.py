"""Replays versions of a package, or imports one, and writes down what there is.

python -m replays.run PACKAGE FILE VERSION…

One version is imported, and further ones are reloaded, in their order.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import json
import os
import pkgutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import hotpatch

from replays.snapshot import snapshot
from replays.subjects import SUBJECTS, Subject
from replays.versions import put

TIME_LIMIT = 2 * 60  # seconds
WORKLOADS = Path(__file__).with_name("workloads")


def import_all(subject: Subject) -> list[str]:
    """Import all modules of a package, and return what cannot be imported."""
    refused, todo = [], [subject.package]
    while todo:
        name = todo.pop()
        if name in subject.not_imported:
            continue
        try:
            module = importlib.import_module(name)
        except Exception as error:
            refused.append(f"{name}: {error!r}")
            continue
        found = pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}.")
        todo += sorted(it.name for it in found if not it.name.endswith(".__main__"))
    return refused


def forget_deleted(subject: Subject) -> None:
    """Let go of modules whose files are gone."""
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{subject.package}.") and not os.path.exists(module.__file__ or ""):
            del sys.modules[name]


def workload(subject: Subject) -> ModuleType:
    """Import the workload of a package, anew each time."""
    path = WORKLOADS / f"{subject.package}.py"
    spec = importlib.util.spec_from_file_location(f"workload_{subject.package}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def results(module: ModuleType) -> dict[str, str]:
    """Run a workload."""
    found = {}
    for name, show in list(vars(module).items()):
        if name.startswith("show_"):
            try:
                lines = show()
            except Exception:
                lines = [f"raised {traceback.format_exc()}"]
            lines = lines.splitlines() if isinstance(lines, str) else lines
            found.update({f"{name} {number}": line for number, line in enumerate(lines)})
    return found


def apply(folder: Path) -> dict[str, Any]:
    """Reload what is in a folder, and write down what that did."""
    start = time.thread_time()
    try:
        report, error = hotpatch.reload(folder), ""
    except hotpatch.ReloadError as failure:
        report = failure.report
        error = "".join(traceback.format_exception(failure.__cause__))
    left_out = [
        (os.path.relpath(it.file, folder), it.qualname, str(it))
        for it in (*report.stale, *report.not_applied)
    ]
    changed = [str(it) for it in report.changes]
    return {
        "cpu": time.thread_time() - start,
        "error": error,
        "changed": changed,
        "left_out": left_out,
    }


def main(package: str, file: str, *versions: str) -> None:
    faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
    sys.dont_write_bytecode = True
    subject = SUBJECTS[package]
    taken: list[dict[str, Any]] = []
    held: ModuleType | None = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.path.realpath(name))
        sys.path.insert(0, str(folder))
        for version in versions:
            put(subject.distribution, version, folder)
            importlib.invalidate_caches()
            done = apply(folder) if taken else {}
            forget_deleted(subject)
            refused = import_all(subject)
            if len(versions) > 1 and not done.get("error"):
                # It gets to know modules that are new, and must find nothing to do in the others.
                done["again"] = apply(folder)
            structure = snapshot(subject.package)
            now = workload(subject)
            held = held or now
            taken.append(
                {
                    "reload": done,
                    "refused": refused,
                    "structure": structure,
                    "results": results(now),
                    "held": results(held),
                }
            )
            if done.get("error"):
                break  # what the next ones would find to do is this again, and more
    Path(file).write_text(json.dumps(taken), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
