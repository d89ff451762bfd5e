"""A folder of modules that are edited while they are imported."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hotpatch import reload


class Folder:
    """Makes modules, and edits them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []

    def edit(self, name: str, text: str) -> Path:
        file = self.path / f"{name}.py"
        file.write_text(text, encoding="utf-8")
        return file

    def load(self, name: str) -> Any:
        self.names.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def make(self, name: str, text: str, *, is_known: bool = True) -> Any:
        self.edit(name, text)
        module = self.load(name)
        if is_known:
            assert str(reload(module)) == "nothing changed"
        return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = Folder(tmp_path)
    yield folder
    for name in folder.names:
        sys.modules.pop(name, None)
