"""Runs one of `tests/reload_cases`: a module is edited, and what its `holds.py` says must hold.

`check` in there is a generator that gets the module as `before.py` makes it. At each `yield` the
next text is applied, and it gets the report, or the exception if that fails. A case that needs
libraries names them in `NEEDS`, and one that needs a version of Python has it in `SINCE`; without
those the exit status is 77.

Run by `hotpatch run`, it only saves the texts, and waits for what is reported.
"""

import importlib
import importlib.util
import queue
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import hotpatch
from hotpatch import _watch


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("holds", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Saving:
    """Saves files, and waits for what the watch of this process reports."""

    def __init__(self, watch: _watch.Watch) -> None:
        self._reports: queue.Queue[hotpatch.Reload] = queue.Queue()
        watch._on_reload = self._reports.put

    def __call__(self, source: Path, file: Path) -> object:
        shutil.copy(source, file)
        report = self._reports.get(timeout=60)
        if not report.errors:
            return report
        failure = hotpatch.ReloadError(report)
        failure.__cause__ = report.errors[0]
        return failure


def reloading(source: Path, file: Path) -> object:
    shutil.copy(source, file)
    try:
        return hotpatch.reload(file)
    except hotpatch.ReloadError as error:
        return error


def main() -> None:
    case = Path(sys.argv[1])
    sys.dont_write_bytecode = True
    holds = load(case / "holds.py")
    missing = [it for it in getattr(holds, "NEEDS", ()) if importlib.util.find_spec(it) is None]
    since = getattr(holds, "SINCE", (3, 10))
    if sys.version_info < since:
        missing = [f"Python {since[0]}.{since[1]}"]
    if missing:
        print(f"{', '.join(missing)} is not there", end="")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "subject.py")
        shutil.copy(case / "before.py", file)
        sys.path.insert(0, folder)
        module = importlib.import_module("subject")
        apply = Saving(_watch._open[0]) if _watch._open else reloading
        if not _watch._open:
            assert str(hotpatch.reload(module)) == "nothing changed"
        check = holds.check(module)
        next(check)
        for name in ("after.py", "after2.py"):
            if (case / name).exists():
                try:
                    check.send(apply(case / name, file))
                except StopIteration:
                    return
        raise AssertionError("the check waits for another text")


if __name__ == "__main__":
    main()
