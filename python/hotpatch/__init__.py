"""Change what a Python function does while the program runs, under every reference to it."""

from hotpatch._native import Patch, PatchError, atomic, hotpatch, lock, patches
from hotpatch._reload import ReloadError, reload
from hotpatch._report import Reload

__all__ = [
    "Patch",
    "PatchError",
    "Reload",
    "ReloadError",
    "atomic",
    "hotpatch",
    "lock",
    "patches",
    "reload",
]
