"""Tells modules and instances that they are reloaded, if they want to know."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from types import ModuleType

from hotpatch._report import Reload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dispose(module: ModuleType) -> None:
    """Call `__hotpatch_dispose__()` of a module, before it changes."""
    _call(vars(module), "__hotpatch_dispose__")


def tell(module: ModuleType, report: Reload) -> None:
    """Call `__hotpatch_reloaded__(report)` of a module, after all is done."""
    _call(vars(module), "__hotpatch_reloaded__", report)


def upgrade(classes: Iterable[type], report: Reload) -> None:
    """Call `__hotpatch_upgrade__(report)` of each instance of some classes that have it.

    Looks at all objects that the garbage collector knows, if there is such a class.
    """
    left = [cls for cls in classes if hasattr(cls, "__hotpatch_upgrade__")]
    wanted = set[type]()
    while left:
        cls = left.pop()
        if cls not in wanted:
            wanted.add(cls)
            left += type.__subclasses__(cls)
    if wanted:
        for instance in [it for it in gc.get_objects() if type(it) in wanted]:
            instance.__hotpatch_upgrade__(report)


def _call(names: dict[str, Any], name: str, *arguments: Any) -> None:
    if name in names:
        names[name](*arguments)
