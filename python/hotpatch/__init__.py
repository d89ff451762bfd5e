"""Change what a Python function does while the program runs, under every reference to it."""

from hotpatch._native import Patch, PatchError, atomic, hotpatch, lock, patches

TYPE_CHECKING = False  # that of `typing`, whose import would take longer than all else here
if TYPE_CHECKING:
    from hotpatch._reload import ReloadError, reload
    from hotpatch._report import Reload
    from hotpatch._watch import Watch, watch

__all__ = [
    "Patch",
    "PatchError",
    "Reload",
    "ReloadError",
    "Watch",
    "atomic",
    "hotpatch",
    "lock",
    "patches",
    "reload",
    "watch",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import live reload when it is asked for."""
        if name in ("load_ipython_extension", "unload_ipython_extension"):
            from hotpatch import ipython

            return getattr(ipython, name)
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in ("Watch", "watch"):
            from hotpatch import _watch as part
        else:
            from hotpatch import _reload as part
        globals()[name] = getattr(part, name)
        return globals()[name]

    def __dir__() -> list[str]:
        """List the public names too that were not asked for yet."""
        return sorted({*globals(), *__all__})
