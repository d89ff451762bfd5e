"""Change what a Python function does while the program runs, under every reference to it."""

from hotpatch._native import Patch, PatchError, atomic, hotpatch, lock, patches

__all__ = ["Patch", "PatchError", "atomic", "hotpatch", "lock", "patches"]
