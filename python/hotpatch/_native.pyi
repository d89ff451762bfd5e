from collections.abc import Callable
from functools import cached_property, partialmethod
from types import TracebackType
from typing import Any, TypeAlias, final

from typing_extensions import Self

__all__ = ["Patch", "PatchError", "hotpatch", "patches"]

_Target: TypeAlias = (
    Callable[..., Any]
    | classmethod[Any, Any, Any]
    | staticmethod[..., Any]
    | property
    | cached_property[Any]
    | partialmethod[Any]
)

class PatchError(RuntimeError):
    """A patch cannot be applied or undone as things are; nothing was changed."""

@final
class Patch:
    """One change of one function, and the handle to take it back.

    Made by `hotpatch`. As a context manager it is undone on exit, exception or not. Dropping the
    handle leaves the patch applied. The handle keeps neither the target nor the replacement alive;
    only of a method of a C type, or of a function of Cython, it keeps the target.
    """

    @property
    def target(self) -> Callable[..., Any] | None:
        """The function that changed, or None if it is gone."""

    @property
    def replacement(self) -> Callable[..., Any] | None:
        """What the patch was made with, or None if it is gone.

        An undone patch does not keep it alive.
        """

    @property
    def active(self) -> bool:
        """Whether the patch is applied: not undone, and its target not gone."""

    @property
    def by(self) -> str:
        """Who made the patch; by default the name of the module that did."""

    @property
    def where(self) -> str:
        """The call that made the patch, as `/path/to/file.py:12`."""

    @property
    def original(self) -> Callable[..., Any]:
        """A function with the target's identity that does what the target did below this patch.

        It stays right as patches below come and go. Once this patch is undone, it is what lies
        below the patches that were made after it: the target itself if there are none.

        Raises `PatchError` if the target is gone.
        """

    def undo(self) -> None:
        """Take the patch back, in any order with other patches of the target.

        Does nothing if it is undone already, or if the target is gone.

        Raises `PatchError` if somebody else has changed the target since, and whatever an audit
        hook for "hotpatch.undo" raises. Nothing has changed then.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

def hotpatch(
    replacement: Callable[..., Any],
    target: _Target,
    *,
    by: str | None = None,
) -> Patch:
    """Make `target` do what `replacement` does, under every reference to it.

    `target` is a function, written in Python or in C, or a bound method, classmethod, staticmethod
    or property with one inside. `replacement` is any callable of the same kind (a coroutine
    function for a coroutine function, and so on). `by` says who patches; by default it is the name
    of the calling module.

    Raises `TypeError` for a target or a replacement that can never work, `PatchError` if the
    interpreter or the state of the target does not allow it, and whatever an audit hook for
    "hotpatch.apply" raises. Nothing has changed then.
    """

def patches(
    target: _Target | None = None,
    *,
    by: str | None = None,
) -> list[Patch]:
    """List the active patches, in the order in which they were made.

    With `target` those of one function, with `by` those that were made by one author.

    Raises `TypeError` for a target that could not be patched.
    """
