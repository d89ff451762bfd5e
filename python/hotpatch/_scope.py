"""Modules and classes as places where statements bind names, and how to take that back."""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, CodeType, FunctionType, ModuleType

from hotpatch._units import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MISSING: Any = object()
# What the body of a class binds besides what its statements say (3.10 to 3.15).
_IMPLICIT = ("__module__", "__qualname__", "__firstlineno__", "__static_attributes__")
# What annotations leave in a module or a class; those of a class are made anew.
OF_ANNOTATIONS = (
    "__annotations__",
    "__annotate__",
    "__annotate_func__",
    "__conditional_annotations__",
)
# What a class makes of functions of these names.
_WRAPPED: dict[str, Any] = {
    "__new__": staticmethod,
    "__init_subclass__": classmethod,
    "__class_getitem__": classmethod,
}


class Undo:
    """What takes back the changes that were made, the last first."""

    def __init__(self) -> None:
        # Functions, each with its arguments: closures would hide what they hold.
        self._steps: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._last: list[Callable[[], object]] = []
        # Classes that could not change, each with the one that has taken its place.
        self.replaced: dict[type, type] = {}

    def add_last(self, change: Callable[[], object]) -> None:
        """Take note of a change that is to be made after all others."""
        self._last.append(change)

    def finish(self) -> None:
        """Make the last changes."""
        while self._last:
            self._last.pop(0)()

    def add(self, step: Callable[..., object], *arguments: Any) -> None:
        """Take note of a call that takes back a change which is made now."""
        self._steps.append((step, arguments))

    def roll_back(self) -> None:
        """Take everything back, also if something cannot be; that is raised then."""
        self._last.clear()
        errors = []
        self.replaced.clear()
        while self._steps:
            step, arguments = self._steps.pop()
            try:
                step(*arguments)
            except BaseException as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def holders(self) -> set[int]:
        """Return the addresses of the objects in which this keeps what was there before."""
        found, left = set[int](), list[object](self._steps)
        while left:
            it = left.pop()
            if isinstance(it, (tuple, list)):
                found.add(id(it))
                left += it
        return found

    def forget(self) -> None:
        """Let everything be as it is."""
        self.replaced.clear()
        self._steps.clear()


class Scope:
    """A module or a class whose names are bound by statements."""

    def __init__(self, owner: ModuleType | type, place: Place, undo: Undo) -> None:
        self.owner = owner
        self.place = place
        self.undo = undo

    def qualname(self, name: str) -> str:
        """Return the qualified name of what has a name here."""
        return ".".join((*self.place.classes, name))

    def get(self, name: str) -> Any:
        """Return what has a name here, as it is there, or `MISSING`."""
        return vars(self.owner).get(self.key(name), MISSING)

    def key(self, name: str) -> str:
        """Return the name under which something is there that has a name in the text."""
        return self.place.key(name)

    def set(self, name: str, value: object) -> None:
        """Bind a name."""
        before = self.get(name)
        self.undo.add(self._put, name, before)
        self._put(name, value)

    def bind(self, name: str, value: object) -> None:
        """Bind a name of a class as its statement does."""
        self.set(name, value)
        notify = getattr(type(value), "__set_name__", None)
        if notify is not None:
            notify(value, self.owner, name)

    def delete(self, name: str) -> None:
        """Unbind a name."""
        self.set(name, MISSING)

    def _put(self, name: str, value: object) -> None:
        name = self.key(name)
        # What a class has refused to bind need not be taken back, and cannot.
        if self.get(name) is value:
            return
        if value is not MISSING:
            setattr(self.owner, name, value)
        else:
            delattr(self.owner, name)

    def names(self, module: ModuleType) -> tuple[dict[str, object], Mapping[str, object]]:
        """Return the globals and the locals of what runs here."""
        return vars(module), vars(self.owner)

    def run(self, code: CodeType, module: ModuleType) -> None:
        """Execute what was compiled in this place, and bind its names here."""
        if not isinstance(self.owner, type):
            self._run_in_module(code, module)
            return
        for name, value in self.results(code, module).items():
            if name in _WRAPPED and isinstance(value, FunctionType):
                value = _WRAPPED[name](value)
            self.bind(name, value)

    def _run_in_module(self, code: CodeType, module: ModuleType) -> None:
        """Execute statements of the module, whose names are bound at once."""
        namespace = vars(module)
        before = dict(namespace)
        if "__annotations__" in namespace:
            namespace["__annotations__"] = dict(namespace["__annotations__"])
        try:
            exec(code, namespace)
        finally:
            # Only what is other now: meanwhile threads go on, and what they bind is theirs.
            others = [
                (name, before.get(name, MISSING))
                for name in {**before, **namespace}
                if before.get(name, MISSING) is not namespace.get(name, MISSING)
            ]
            self.undo.add(_restore, module, code, others)
        # This is the function for all annotations of the module, and which of them count (3.14).
        restore(namespace, [(it, before.get(it, MISSING)) for it in OF_ANNOTATIONS[1:]])

    def results(self, code: CodeType, module: ModuleType) -> dict[str, Any]:
        """Execute what was compiled in this place, and return what it would bind."""
        names = Names(vars(self.owner) if isinstance(self.owner, type) else {})
        execute(self.place.body(code), vars(module), names, self.owner)
        bound = names.bound
        cell = bound.pop("__classcell__", None)
        if cell is not None:
            cell.cell_contents = self.owner
        # Where annotations and type parameters look for names of the class (3.12).
        cell = bound.pop("__classdictcell__", None)
        if cell is not None and isinstance(self.owner, type):
            cell.cell_contents = vars(self.owner)
        for name in (*_IMPLICIT, *OF_ANNOTATIONS):
            bound.pop(name, None)
        return bound


def execute(code: CodeType, namespace: dict[str, Any], names: Names, owner: object) -> None:
    """Execute the body of a class, which captures the type parameters of that (3.12)."""
    if not code.co_freevars:
        exec(code, namespace, names)
        return
    parameters = getattr(owner, "__type_params__", ())
    known = {it.__name__: it for it in parameters}
    known[".type_params"] = parameters
    cells = [CellType(known[it]) if it in known else CellType() for it in code.co_freevars]
    run: Any = exec
    run(code, namespace, names, closure=tuple(cells))


class Names(dict[str, object]):
    """The names of a class, and apart from them those that are bound now."""

    def __init__(self, known: Any) -> None:
        super().__init__(known)
        # Not those of the class itself, which would be changed in place.
        super().__setitem__("__annotations__", {})
        self.bound: dict[str, Any] = {}

    def __setitem__(self, name: str, value: object) -> None:
        super().__setitem__(name, value)
        self.bound[name] = value


def _restore(module: ModuleType, code: CodeType, before: list[tuple[str, object]]) -> None:
    from hotpatch._removal import restore  # it imports this

    restore(module, code, before)


def restore(namespace: dict[str, Any], before: list[tuple[str, Any]]) -> None:
    """Bind names as they were."""
    for name, value in before:
        if value is not MISSING:
            namespace[name] = value
        else:
            namespace.pop(name, None)
