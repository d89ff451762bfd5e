"""Runs one of `tests/reload_cases`: a module is edited, and what its `holds.py` says must hold.

`check` in there is a generator that gets the module as `before.py` makes it. At each `yield` the
next text is applied, and it gets the report, or the exception if that fails.
"""

import importlib
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import hotpatch


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("holds", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    case = Path(sys.argv[1])
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "subject.py")
        shutil.copy(case / "before.py", file)
        sys.path.insert(0, folder)
        module = importlib.import_module("subject")
        assert str(hotpatch.reload(module)) == "nothing changed"
        check = load(case / "holds.py").check(module)
        next(check)
        for name in ("after.py", "after2.py"):
            if (case / name).exists():
                shutil.copy(case / name, file)
                try:
                    report: object = hotpatch.reload(module)
                except hotpatch.ReloadError as error:
                    report = error
                try:
                    check.send(report)
                except StopIteration:
                    return
        raise AssertionError("the check waits for another text")


if __name__ == "__main__":
    main()
