"""Promise 4: a patched function is still who it was, and shows what it does now."""

import contextlib
import copy
import functools
import inspect
import pickle
import typing
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from hotpatch import Patch, hotpatch

IDENTITY = ["__name__", "__qualname__", "__module__", "__doc__", "__dict__"]


def target(a: int, b: int = 2) -> Any:
    """What the target says of itself."""
    return "old"


target.mark = "target"  # type: ignore[attr-defined]


def replacement(x: float, *, y: float = 0.5) -> str:
    """What the replacement says of itself."""
    return "new"


replacement.mark = "replacement"  # type: ignore[attr-defined]
replacement.__module__ = "elsewhere"


class Service:
    """Something that is called instead."""

    def __call__(self, x: float, *, y: float = 0.5) -> str:
        """What the call says of itself."""
        return "new"

    def method(self, x: float, *, y: float = 0.5) -> str:
        """What the method says of itself."""
        return "new"


REPLACEMENTS: dict[str, Any] = {
    "function": replacement,
    "lambda": lambda x, *, y=0.5: "new",
    "bound method": Service().method,
    "object with __call__": Service(),
    "partial": functools.partial(replacement, y=0.5),
    "mock": mock.Mock(name="mock", return_value="new"),
    "autospec": mock.create_autospec(replacement, return_value="new"),
}
each_replacement = pytest.mark.parametrize("new", REPLACEMENTS.values(), ids=REPLACEMENTS)


@contextlib.contextmanager
def applied(new: Any) -> Iterator[Patch]:
    with hotpatch(new, target) as patch:
        assert target(1) == "new"
        yield patch


@pytest.fixture(autouse=True)
def _nothing_is_left_of_a_patch() -> Iterator[None]:
    before = {name: getattr(target, name) for name in IDENTITY}, dict(vars(target))
    yield
    assert ({name: getattr(target, name) for name in IDENTITY}, dict(vars(target))) == before


@each_replacement
@pytest.mark.parametrize("name", IDENTITY)
def test_the_attributes_that_say_who_it_is_are_the_same_objects(name: str, new: Any) -> None:
    before = getattr(target, name)
    with applied(new):
        assert getattr(target, name) is before
    assert getattr(target, name) is before


@each_replacement
def test_nothing_is_added_to_the_dict(new: Any) -> None:
    with applied(new):
        assert vars(target) == {"mark": "target"}


@each_replacement
def test_repr_hash_and_equality_stay(new: Any) -> None:
    before = repr(target), hash(target), id(target), type(target)
    table = {target: "found"}
    with applied(new):
        assert (repr(target), hash(target), id(target), type(target)) == before
        assert table[target] == "found"
        assert target != new
        assert inspect.isfunction(target)


@each_replacement
def test_weak_references_live_on_and_are_not_called(new: Any) -> None:
    gone: list[object] = []
    reference = weakref.ref(target, gone.append)
    weak_set = weakref.WeakSet([target])
    with applied(new):
        assert reference() is target
        assert target in weak_set
    assert (reference() is target, gone) == (True, [])


@each_replacement
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_pickled_by_its_name(protocol: int, new: Any) -> None:
    before = pickle.dumps(target, protocol)
    with applied(new):
        assert pickle.dumps(target, protocol) == before
        loaded: Any = pickle.loads(before)
        assert loaded is target
        assert loaded(1) == "new"


def test_a_method_is_pickled_by_its_name() -> None:
    service = Service()
    with hotpatch(lambda self, *_, **__: "patched", Service.method):
        loaded = pickle.loads(pickle.dumps(service.method))
        assert loaded() == "patched"
        assert pickle.loads(pickle.dumps(Service.method)) is Service.method


@each_replacement
def test_copying_gives_the_function_itself(new: Any) -> None:
    with applied(new):
        assert copy.copy(target) is target
        assert copy.deepcopy([target])[0] is target


def test_attributes_set_while_it_is_patched_stay() -> None:
    def f() -> None:
        """Before."""

    any_f: Any = f
    with hotpatch(lambda: "new", f):
        assert any_f() == "new"
        any_f.added = 1
        f.__doc__ = "During."
        f.__name__ = "renamed"
    assert (any_f.added, f.__doc__, f.__name__) == (1, "During.", "renamed")


def test_a_function_without_doc_and_attributes_gets_none() -> None:
    def f() -> None: ...

    any_f: Any = f
    with hotpatch(replacement, f):
        assert any_f(1) == "new"
        assert f.__doc__ is None
        assert vars(f) == {}


def test_the_doc_is_that_of_the_target_for_help_too() -> None:
    with applied(replacement):
        assert inspect.getdoc(target) == "What the target says of itself."


def signature_of(function: Callable[..., Any]) -> str:
    return str(inspect.signature(function))


@pytest.mark.parametrize(
    "name", [name for name in REPLACEMENTS if name not in ("mock", "autospec")]
)
def test_the_signature_is_the_one_that_now_holds(name: str) -> None:
    new, before = REPLACEMENTS[name], inspect.signature(target)
    with applied(new):
        assert inspect.signature(target) == inspect.signature(new) != before
    assert inspect.signature(target) == before


def test_the_signature_follows_the_stack() -> None:
    def f(a: int) -> None: ...

    first = hotpatch(lambda b: None, f)
    second = hotpatch(lambda c: None, f)
    assert signature_of(f) == "(c)"
    first.undo()
    assert signature_of(f) == "(c)"
    second.undo()
    assert signature_of(f) == "(a: int) -> None"


def test_the_signature_of_a_bound_method_leaves_out_self() -> None:
    shorter: Any = lambda self, z: z  # noqa: E731
    with hotpatch(shorter, Service.method):
        assert signature_of(Service().method) == "(z)"
        assert signature_of(Service.method) == "(self, z)"


def test_the_signature_of_an_instance_and_of_a_class_follow_too() -> None:
    class Made:
        def __init__(self, a: int) -> None: ...

        def __call__(self, a: int) -> None: ...

    made = Made(1)
    with (
        hotpatch(lambda self, b: None, Made.__init__),
        hotpatch(lambda self, c: None, Made.__call__),
    ):
        assert signature_of(Made) == "(b)"
        assert signature_of(made) == "(c)"


@each_replacement
def test_a_function_that_wraps_it_gets_its_identity_and_follows_it(new: Any) -> None:
    """`functools.wraps` copies `__dict__`, also while the patch is applied."""
    with applied(new):

        @functools.wraps(target)
        def wrapper(*arguments: Any, **keywords: Any) -> Any:
            return target(*arguments, **keywords)

        assert (wrapper.__name__, wrapper.__doc__) == ("target", target.__doc__)
        assert vars(wrapper) == {"mark": "target", "__wrapped__": target}
        assert inspect.signature(wrapper) == inspect.signature(target)
        assert inspect.unwrap(wrapper) is target
        assert wrapper(1) == "new"
    assert wrapper(1) == "old"
    assert inspect.signature(wrapper) == inspect.signature(target)


def test_a_copy_of_its_dict_can_be_pickled() -> None:
    with applied(replacement):
        wrapper = functools.update_wrapper(functools.partial(target), target)
        del wrapper.__wrapped__
        assert pickle.loads(pickle.dumps(vars(wrapper)))["mark"] == "target"


def test_a_function_that_wraps_another_shows_its_own_new_signature() -> None:
    """A decorated function keeps `__wrapped__`, which says what it did before."""

    def inner(a: int) -> None: ...

    @functools.wraps(inner)
    def outer(*arguments: Any) -> None: ...

    with hotpatch(lambda b: None, outer):
        assert str(inspect.signature(outer, follow_wrapped=False)) == "(b)"
        assert outer.__wrapped__ is inner


def test_the_source_that_is_shown_is_that_of_the_replacement() -> None:
    """Debuggers and tracebacks must show the lines that run."""
    with applied(replacement):
        assert inspect.getsource(target) == inspect.getsource(replacement)
    assert '"old"' in inspect.getsource(target)


def test_the_original_has_the_identity_of_the_target() -> None:
    with applied(replacement) as patch:
        original = patch.original
        assert original is not target
        assert [getattr(original, name) for name in IDENTITY] == [
            getattr(target, name) for name in IDENTITY
        ]
        assert vars(original) is vars(target)
        assert typing.get_type_hints(original)["b"] is int
        assert original(1) == "old"


def test_a_method_keeps_its_identity() -> None:
    service = Service()
    before = service.method, hash(service.method), Service.method.__qualname__
    with hotpatch(lambda self, *_, **__: "patched", Service.method):
        assert service.method() == "patched"  # type: ignore[call-arg]
        assert (service.method, hash(service.method), Service.method.__qualname__) == before
