"""Which modules are meant: those made from source files in some folders."""

from __future__ import annotations

import fnmatch
import os
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

# What is in folders of these names is not what somebody works on.
_OTHERS = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__"})


class Tracked:
    """The modules made from files that are, or are in, some paths, now or later."""

    def __init__(
        self, paths: Iterable[str | os.PathLike[str]], exclude: Iterable[str] = ()
    ) -> None:
        self.paths: list[str] = [os.path.abspath(path) for path in paths]
        self._exclude = [*exclude]
        roots = [form for path in self.paths for form in (path, os.path.realpath(path))]
        self._roots = [*dict.fromkeys(roots)]
        self._known: dict[str, bool] = {}

    def wants(self, file: str) -> bool:
        """Return whether the module made from a file is meant."""
        known = self._known.get(file)
        if known is None:
            path = os.path.abspath(file)
            known = path.endswith((".py", ".pyw")) and any(
                self._is_in(path, root) for root in self._roots
            )
            self._known[file] = known
        return known

    def root(self, path: str) -> str | None:
        """Return the folder that was given and in which a file is."""
        found = [it for it in self.paths if path.startswith(it.rstrip(os.sep) + os.sep)]
        return max(found, key=len, default=None)

    def modules(self) -> Iterator[ModuleType]:
        """Iterate over those that are there."""
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and isinstance(module, ModuleType) and self.wants(file):
                yield module

    def _is_in(self, path: str, root: str) -> bool:
        if path == root:
            return True
        if not path.startswith(root.rstrip(os.sep) + os.sep):
            return False
        inner = os.path.relpath(path, root)
        folders = inner.split(os.sep)[:-1]
        if any(name in _OTHERS or name.startswith(".") for name in folders):
            return False
        # A pattern is for a file or a folder, by its name or by its path, from the root or whole.
        parts = inner.split(os.sep)
        inside = [os.sep.join(parts[: count + 1]) for count in range(len(parts))]
        forms = [*parts, *inside, *(os.path.join(root, it) for it in inside)]
        return not any(
            fnmatch.fnmatch(form, pattern.rstrip(os.sep))
            for pattern in self._exclude
            for form in forms
        )


# Those that are watched now, for a `reload` of all.
watched: list[Tracked] = []
