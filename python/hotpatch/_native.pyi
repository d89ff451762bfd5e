from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from functools import _lru_cache_wrapper, cached_property, partialmethod
from os import PathLike
from types import CodeType, FunctionType, GenericAlias, TracebackType
from typing import Any, Concatenate, Generic, Literal, Protocol, TypeAlias, final, overload

from typing_extensions import Never, ParamSpec, Self, TypeVar

__all__ = [
    "Outline",
    "Patch",
    "PatchError",
    "Statement",
    "Step",
    "Watcher",
    "atomic",
    "below",
    "check_lock",
    "functions_in",
    "functions_with",
    "hotpatch",
    "lock",
    "move_lines",
    "patches",
    "rebase",
    "unaccounted",
]

_P = ParamSpec("_P", default=...)
_R = TypeVar("_R", default=Any)
_F = TypeVar("_F", bound=Callable[..., Any])
_Result = TypeVar("_Result", default=Any)
_Result_contra = TypeVar("_Result_contra", contravariant=True)
_Iterator = TypeVar("_Iterator", bound=Iterator[Any] | AsyncIterator[Any], default=Iterator[Any])
_Scope: TypeAlias = Literal["process", "context", "thread"]
_How: TypeAlias = Literal["replace", "around", "before", "after", "error"]
# What has a function inside, whose parameters its type does not tell; or names one.
_Holder: TypeAlias = (
    str
    | classmethod[Any, Any, Any]
    | staticmethod[..., Any]
    | property
    | cached_property[Any]
    | partialmethod[Any]
    | _lru_cache_wrapper[Any]
)

# Not a Callable with Concatenate, with which mypy infers no lambda.
class _Observer(Protocol[_Result_contra]):
    def __call__(self, result: _Result_contra, /, *args: Any, **kwargs: Any) -> object: ...

class PatchError(RuntimeError):
    """A patch cannot be applied or undone as things are; nothing was changed."""

@final
class Patch(Generic[_P, _R]):
    """One change of one function, and the handle to take it back.

    Made by `hotpatch`. As a context manager it is undone on exit, exception or not. Dropping the
    handle leaves the patch applied. The handle keeps neither the target nor the replacement alive;
    only of a method of a C type, or of a function of Cython, it keeps the target.
    """

    @property
    def target(self) -> Callable[_P, _R] | None:
        """The function that changed, or None if it is gone or not imported yet."""

    @property
    def replacement(self) -> Callable[..., Any] | str | None:
        """What the patch was made with, or None if it is gone.

        An undone patch does not keep it alive.
        """

    @property
    def active(self) -> bool:
        """Whether the patch is applied: not undone, and its target not gone."""

    @property
    def pending(self) -> bool:
        """Whether the patch waits: for the end of a block, or for the import of what it names."""

    @property
    def how(self) -> _How:
        """What the patch does with a call of its target."""

    @property
    def scope(self) -> _Scope:
        """Which calls of its target the patch is for."""

    @property
    def order(self) -> int:
        """Patches of a higher order lie further out, and of those of one order the later ones."""

    @property
    def by(self) -> str:
        """Who made the patch; by default the name of the module that did."""

    @property
    def where(self) -> str:
        """The call that made the patch, as `/path/to/file.py:12`."""

    @property
    def original(self) -> Callable[_P, _R]:
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

    @classmethod
    def __class_getitem__(cls, key: Any) -> GenericAlias: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@overload
def hotpatch(
    replacement: Callable[..., Any] | str,
    /,
    target: _Holder,
    *,
    how: _How = "replace",
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[..., Any]:
    """Make `target` do what `replacement` does, under every reference to it.

    `target` is a function, written in Python or in C, or a bound method, classmethod, staticmethod
    or property with one inside. `replacement` is any callable of the same kind (a coroutine
    function for a coroutine function, and so on), or source text: a `def`, or a unified diff of the
    source text of the target. Text is compiled where the target stands, in its class.

    `target` can also be a name, "package.module:Class.method". It imports nothing: if the module is
    not there yet, the patch is pending, and is applied when the body of the module has run. So it
    is again when the module is reloaded or imported anew, until it is undone. If the module has no
    such function then, the import raises `PatchError`.

    With another `how` it is a hook, and what lies below it goes on to be called:

    - "around": it is called with the original and then the arguments of the call, and its result is
      that of the call;
    - "before": it is told of a call, and names the parameters of the target that it wants;
    - "after": it is told of the result, and of such parameters;
    - "error": it is told of the exception with which a call ends, and of such parameters.

    With a `scope` it is for the calls in this thread alone, or for those in this `contextvars`
    context and in those copied from it. All others run what lies below.

    The patches of a target are sorted by `order`, those of a higher order further out, and then by
    age. `by` says who patches; by default it is the name of the calling module.

    With `expect`, the target must still have this source text, compared without comments and
    layout, or code with this digest ("sha256:…").

    Without a replacement it returns a decorator, which patches with the function below it and
    leaves that as it is.

    Raises `TypeError` for a target or a replacement that can never work, `ValueError` for an
    unknown `how` or `scope` and a text that is no name, `PatchError` if the interpreter or the
    state of the target does not allow it, and whatever an audit hook for "hotpatch.apply" raises.
    Nothing has changed then.
    """

# It is the union that has mypy take _P and _R from the target, and only then see the replacement.
@overload
def hotpatch(  # pyright: ignore[reportOverlappingOverload]
    replacement: Callable[_P, _R] | Callable[_P, Never] | str,
    /,
    target: Callable[_P, _R],
    *,
    how: Literal["replace"] = "replace",
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[_P, _R]: ...

# The target is a bound method: what changes is the function inside, which has one parameter more.
@overload
def hotpatch(
    replacement: Callable[Concatenate[Any, _P], _R] | Callable[Concatenate[Any, _P], Never] | str,
    /,
    target: Callable[_P, _R],
    *,
    how: Literal["replace"] = "replace",
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[Concatenate[Any, _P], _R]: ...
@overload
def hotpatch(
    replacement: str,
    /,
    target: Callable[_P, _R],
    *,
    how: Literal["around", "before", "after", "error"],
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[_P, _R]: ...
@overload
def hotpatch(
    replacement: Callable[Concatenate[Callable[_P, _R], _P], _R],
    /,
    target: Callable[_P, _R],
    *,
    how: Literal["around"],
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[_P, _R]: ...
@overload
def hotpatch(
    replacement: Callable[Concatenate[Callable[Concatenate[Any, _P], _R], Any, _P], _R] | str,
    /,
    target: Callable[_P, _R],
    *,
    how: Literal["around"],
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[Concatenate[Any, _P], _R]: ...
@overload
def hotpatch(
    replacement: Callable[..., object],
    /,
    target: Callable[_P, _R],
    *,
    how: Literal["before"],
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[_P, _R]: ...
@overload
def hotpatch(
    replacement: _Observer[Exception],
    /,
    target: Callable[_P, _R],
    *,
    how: Literal["error"],
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[_P, _R]: ...
@overload
def hotpatch(
    replacement: _Observer[_R],
    /,
    target: Callable[_P, _R],
    *,
    how: Literal["after"],
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[_P, _R]: ...
@overload
def hotpatch(
    replacement: _Observer[_Result],
    /,
    target: Callable[_P, Coroutine[Any, Any, _Result]],
    *,
    how: Literal["after"],
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[_P, Coroutine[Any, Any, _Result]]: ...

# It is told not of the iterator, but of what that returns in the end.
@overload
def hotpatch(  # pyright: ignore[reportOverlappingOverload]
    replacement: _Observer[Any],
    /,
    target: Callable[_P, _Iterator],
    *,
    how: Literal["after"],
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Patch[_P, _Iterator]: ...
@overload
def hotpatch(
    *,
    target: Callable[..., Any] | _Holder = ...,
    how: _How = "replace",
    scope: _Scope = "process",
    order: int = 0,
    by: str | None = None,
    expect: str | None = None,
) -> Callable[[_F], _F]: ...
def patches(
    target: Callable[..., Any] | _Holder | None = None,
    *,
    by: str | None = None,
) -> list[Patch[..., Any]]:
    """List the patches that are in force, in the order in which they were made.

    With `target` those of one function, with `by` those that were made by one author. Patches of
    names are listed from the start, and while they wait their `pending` is true.

    Raises `TypeError` for a target that could not be patched.
    """

def atomic() -> AbstractContextManager[None]:
    """Make several patches and undos visible together, or none of them.

    In a `with atomic():` block nothing changes. At its end all changes are made at once, for every
    thread. If the block or one of its changes raises an exception, nothing has changed. A block in
    another joins that; if it fails, what it asked for is dropped.

    At the end the block raises `PatchError` if the state of the program does not allow the changes.
    """

def lock() -> None:
    """Refuse all further patches in this process, for good.

    The patches that are there stay, and can be undone. Those that wait for an import are applied
    when it comes. `hotpatch` raises `PatchError` from then on.
    With `HOTPATCH_DISABLE=1` in the environment it does so from the start.
    """

# What follows is for `hotpatch.reload`.

@final
class Outline:
    """The statements of a source text. Raises `SyntaxError` for what is not Python."""

    def __new__(cls, text: str, /) -> Self: ...
    @property
    def text(self) -> str:
        """The source text."""

    @property
    def imports(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """What is imported into the scope of the module.

        Names of modules, each with the names that are taken from it and what they are called here.
        """

    def steps(self, new: Outline, /) -> list[Step]:
        """What became of the statements of this text in another, in the order of that."""

@final
class Step:
    """What became of one statement."""

    @property
    def fate(
        self,
    ) -> Literal["same", "moved", "rewritten", "edited", "renamed", "added", "removed"]:
        """What became of it."""

    @property
    def old(self) -> Statement | None:
        """The statement as it was, unless it was added."""

    @property
    def new(self) -> Statement | None:
        """The statement as it is, unless it was removed."""

    @property
    def inner(self) -> list[Step]:
        """What became of the statements in it, if it is a class that was there before."""

@final
class Statement:
    """A statement. Its parts are equal to those of another that mean the same."""

    @property
    def kind(self) -> str:
        """ "function", "class", "statement", or the keyword of a block, such as "if"."""

    @property
    def name(self) -> str | None:
        """Of a function or a class."""

    @property
    def lines(self) -> tuple[int, int]:
        """The first line and the last, from 1. Decorators belong to a definition."""

    @property
    def text(self) -> str:
        """The text, from the beginning of its first line."""

    @property
    def undecorated(self) -> str:
        """The text of a function with empty lines in the place of decorators."""

    def contains(self, text: str, /) -> bool:
        """Return whether its text contains another."""

    @property
    def binds(self) -> list[str]:
        """The names that it binds in its scope."""

    @property
    def derived(self) -> list[tuple[str, str, list[str]]]:
        """The values that it computes of other names.

        Each is the name that is bound to it, or the parameter whose default it is, the expression,
        and the names that it reads.
        """

    @property
    def imports(self) -> list[str]:
        """The names that its module imports, of those that it may have attributes of."""

    @property
    def is_doc(self) -> bool:
        """Whether it is the doc string of the module or of a class."""

    @property
    def blocks(self) -> list[tuple[int, str, int]]:
        """The blocks that it is in, from the outermost: line, keyword and number of the suite."""

    @property
    def is_main(self) -> bool:
        """Whether it is in `if __name__ == "__main__":`, or is that."""

    @property
    def decorators(self) -> int:
        """The decorators of a function or a class."""

    @property
    def defaults(self) -> dict[str, int]:
        """The default of each parameter of a function that has one."""

    @property
    def annotations(self) -> int:
        """The annotations of a function, with its type parameters."""

    @property
    def header(self) -> int:
        """The bases, keywords and type parameters of a class."""

    @property
    def type_params(self) -> str:
        """The type parameters of a class as they are written, with their brackets."""

def check_lock(target: object, /) -> None:
    """Do nothing if `target` may be changed. Raises `PatchError` after `lock()`."""

@final
class Watcher:
    """Watches files, and tells which of them have another content.

    Changes are told when nothing has happened for `debounce` seconds. With `poll` the files are
    looked at each so many seconds, and otherwise when the system tells that something happened.
    All methods can be called from several threads. In a process that was forked from the one that
    made it, a watcher is closed.
    """

    def __new__(cls, *, debounce: float = 0.02, poll: float | None = None) -> Self: ...
    @property
    def notice(self) -> str | None:
        """Why the files are looked at each second, if they are although nobody asked for it."""

    def add(
        self,
        path: str | PathLike[str],
        content: bytes | None = None,
        *,
        root: str | PathLike[str] | None = None,
    ) -> None:
        """Watch a file, which need not exist.

        It is told of when its content is another than `content`, at once if it is now. Without
        `content` that is what is in the file now. A file that was added before is only given
        another content by this.

        `root` is a directory above the file, or the one that it is in. If it or one between the
        two is replaced, that is seen. By default it is the directory of the file.
        """

    def remove(self, path: str | PathLike[str], /) -> None:
        """Watch a file no longer."""

    def wait(self, timeout: float | None = None) -> list[tuple[str, bytes]] | None:
        """Wait until files have another content, and return their paths and contents.

        Returns an empty list after `timeout` seconds, and once when there is a notice. Returns
        None when the watcher is closed.
        """

    def close(self) -> None:
        """Stop to watch, and let go whoever waits. Can be called twice."""

def rebase(pairs: list[tuple[FunctionType, FunctionType]], /) -> None:
    """Give functions the bodies of others, below their patches and all at once.

    Each pair is a function and the one whose code, defaults, free variables and annotations it
    gets. Raises `TypeError` for what is no Python function, and `PatchError` for a function that
    is there twice, or if the state of the interpreter does not allow it. Nothing has changed then.
    """

def below(function: FunctionType, /) -> FunctionType:
    """Return a function that does, and goes on to do, what another does below its patches.

    Raises `TypeError` for what is no Python function.
    """

def functions_in(file: str, /) -> list[FunctionType]:
    """Return the functions whose code, below their patches, comes from a file.

    Looks at all objects that the garbage collector knows.
    """

def functions_with(codes: list[CodeType], /) -> list[FunctionType]:
    """Return the functions that have one of these code objects below their patches.

    Looks at all objects that the garbage collector knows.
    """

def unaccounted(
    codes: list[CodeType], functions: list[FunctionType], held: int, /
) -> list[CodeType]:
    """Return those of some code objects that somebody else has.

    Known are the list, the functions, the code objects that are in others of the list, and `held`
    references of the caller to each.
    """

def move_lines(codes: list[CodeType], lines: int, /) -> None:
    """Move code objects by so many lines, as if their text stood there.

    Frames that run follow. Raises `TypeError` for what is no code object, and `ValueError` if a
    line would have no number. Nothing has changed then.
    """
