"""Modules that tests write and import."""

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


class Modules:
    """A folder on `sys.path`, and what was imported from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def write(self, text: str, name: str | None = None) -> str:
        """Write a module, and return its name: one that no other has had, if none is given.

        A package is written as `name.__init__`.
        """
        name = name or f"written_{self.folder.name}_{len(self.names)}"
        path = self.folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        name = name.removesuffix(".__init__")
        self.names.append(name)
        importlib.invalidate_caches()
        return name

    def load(self, name: str) -> ModuleType:
        """Import a module."""
        return importlib.import_module(name)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """Modules of this test alone."""
    monkeypatch.syspath_prepend(tmp_path)
    # A reload within a second of the first import must not find the old code in a cache.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Modules(tmp_path)
    yield made
    for name in made.names:
        sys.modules.pop(name, None)
