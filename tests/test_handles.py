"""Promise 6: the handle of a patch, its use in a with block, and the list of patches."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotpatch import Patch, PatchError, hotpatch, patches


def f() -> str:
    return "old"


def new() -> str:
    return "new"


@pytest.fixture(autouse=True)
def _nothing_stays_patched() -> Iterator[None]:
    """Also when a test fails half-way."""
    yield
    for patch in patches(f):
        patch.undo()


class Service:
    def method(self) -> str:
        return "old"

    @classmethod
    def by_class(cls) -> str:
        return "old"

    @staticmethod
    def static() -> str:
        return "old"

    @property
    def value(self) -> str:
        return "old"


def test_a_with_block_undoes_its_patch() -> None:
    patch = hotpatch(new, f)
    with patch as entered:
        assert entered is patch
        assert (f(), patch.active) == ("new", True)
    assert (f(), patch.active) == ("old", False)


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), GeneratorExit()])
def test_a_with_block_that_raises_undoes_its_patch_and_lets_the_exception_through(
    error: BaseException,
) -> None:
    def use() -> None:
        with hotpatch(new, f):
            assert f() == "new"
            raise error

    with pytest.raises(type(error)) as caught:
        use()
    assert caught.value is error
    assert f() == "old"


def test_a_with_block_may_undo_its_patch_itself() -> None:
    with hotpatch(new, f) as patch:
        patch.undo()
        assert f() == "old"
    assert f() == "old"


def test_a_with_block_on_an_undone_patch_does_nothing() -> None:
    patch = hotpatch(new, f)
    patch.undo()
    with patch:
        assert (f(), patch.active) == ("old", False)


def test_with_blocks_undo_only_their_own_patches() -> None:
    with hotpatch(lambda: "outer", f):
        with hotpatch(lambda: "inner", f):
            kept = hotpatch(lambda: "kept", f)
        assert f() == "kept"
    assert f() == "kept"
    kept.undo()
    assert f() == "old"


def test_undo_is_idempotent() -> None:
    patch = hotpatch(new, f)
    for _ in range(3):
        assert patch.undo() is None  # type: ignore[func-returns-value]
        assert f() == "old"


def test_undoing_again_does_not_undo_a_later_patch_with_the_same_replacement() -> None:
    first = hotpatch(new, f)
    first.undo()
    with hotpatch(new, f) as second:
        first.undo()
        assert (f(), first.active, second.active) == ("new", False, True)


def test_dropping_the_handle_leaves_the_patch() -> None:
    hotpatch(new, f)
    assert f() == "new"
    (patch,) = patches(f)
    patch.undo()
    assert f() == "old"


def test_a_handle_whose_target_is_gone() -> None:
    def gone() -> None: ...

    patch = hotpatch(lambda: None, gone)
    assert patch.active
    del gone
    assert (patch.target, patch.replacement, patch.active) == (None, None, False)
    patch.undo()
    with pytest.raises(PatchError, match="gone"):
        _ = patch.original
    assert "gone" in repr(patch)
    assert patch not in patches()


def test_target_and_replacement_are_the_objects_that_were_named() -> None:
    partial = functools.partial(new)
    patch = hotpatch(partial, f)
    assert patch.target is f
    assert patch.replacement is partial
    patch.undo()
    assert patch.target is f
    assert patch.replacement is partial


def test_an_undone_patch_does_not_keep_its_replacement() -> None:
    patch = hotpatch(lambda: "new", f)
    assert patch.replacement is not None
    patch.undo()
    assert patch.replacement is None


def test_by_is_the_module_that_called_unless_said_otherwise() -> None:
    with hotpatch(new, f) as patch:
        assert patch.by == __name__
    with hotpatch(new, f, by="somebody") as patch:
        assert patch.by == "somebody"
    with hotpatch(new, f, by=None) as patch:
        assert patch.by == __name__


@pytest.mark.parametrize(
    ("namespace", "by"), [({"__name__": "m"}, "m"), ({}, ""), ({"__name__": 3}, "")]
)
def test_by_is_the_name_in_the_globals_of_the_caller(namespace: dict[str, Any], by: str) -> None:
    caller: dict[str, Any] = {**namespace, "hotpatch": hotpatch, "new": new, "f": f}
    exec("patch = hotpatch(new, f)\npatch.undo()", caller)
    assert caller["patch"].by == by


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_where_is_the_file_and_the_line_of_the_call() -> None:
    with hotpatch(new, f) as patch:
        assert patch.where == f"{__file__}:{line() - 1}"
    assert patch.where == f"{__file__}:{line() - 2}"


def test_where_is_the_first_line_of_a_call_over_several() -> None:
    first = line() + 1
    patch = hotpatch(
        new,
        f,
        by="x",
    )
    patch.undo()
    assert patch.where == f"{__file__}:{first}"


def test_where_is_the_python_code_that_called_through_c() -> None:
    (patch,) = map(functools.partial(hotpatch, new), [f])
    patch.undo()
    assert patch.where == f"{__file__}:{line() - 2}"


def test_where_is_right_in_code_that_has_no_file() -> None:
    namespace: dict[str, Any] = {"hotpatch": hotpatch, "new": new, "f": f}
    exec(compile("\n\npatch = hotpatch(new, f)\npatch.undo()", "<typed in>", "exec"), namespace)
    assert namespace["patch"].where == "<typed in>:3"


def test_repr_tells_everything() -> None:
    patch = hotpatch(new, f, by="somebody")
    where = f"{__file__}:{line() - 1}"
    assert repr(patch) == f"<Patch of {__name__}.f by somebody at {where}, active>"
    patch.undo()
    assert repr(patch) == f"<Patch of {__name__}.f by somebody at {where}, undone>"


@pytest.mark.parametrize(
    "name", ["target", "replacement", "active", "by", "where", "original", "undo", "anything"]
)
def test_a_handle_cannot_be_changed(name: str) -> None:
    with hotpatch(new, f) as patch, pytest.raises(AttributeError):
        setattr(patch, name, None)


def test_a_handle_is_made_by_hotpatch_only() -> None:
    make: Any = Patch
    with pytest.raises(TypeError):
        make()
    with pytest.raises(TypeError):
        type("Derived", (make,), {})


def test_handles_are_told_apart_and_can_be_kept_in_sets() -> None:
    with hotpatch(new, f) as first, hotpatch(new, f) as second:
        assert first != second
        assert len({first, second, first}) == 2


def test_the_list_is_in_the_order_in_which_patches_were_made() -> None:
    def g() -> None: ...

    made = [hotpatch(lambda: None, target) for target in (f, g, f, g)]
    assert [patch for patch in patches() if patch in made] == made
    assert patches(f) == made[::2]
    assert patches(g) == made[1::2]
    made[1].undo()
    made.append(hotpatch(lambda: None, g))
    assert [patch for patch in patches() if patch in made] == [made[i] for i in (0, 2, 3, 4)]
    assert patches(g) == made[3:]
    for patch in made:
        patch.undo()
    assert [patch for patch in patches() if patch in made] == []


def test_the_list_can_be_limited_to_a_target_and_an_author() -> None:
    def g() -> None: ...

    with (
        hotpatch(new, f, by="a") as fa,
        hotpatch(new, f, by="b") as fb,
        hotpatch(lambda: None, g, by="a") as ga,
    ):
        assert patches(by="a") == [fa, ga]
        assert patches(by="b") == [fb]
        assert patches(f) == patches(target=f) == [fa, fb]
        assert patches(f, by="a") == [fa]
        assert patches(target=g, by="b") == []
        assert patches(by="nobody") == []
        assert patches(by=None)[-3:] == [fa, fb, ga]
    assert patches(by="a") == []


REACH: dict[str, Callable[[], Any]] = {
    "method through the class": lambda: Service.method,
    "method through an instance": lambda: Service().method,
    "class method": lambda: Service.by_class,
    "class method, unbound": lambda: vars(Service)["by_class"],
    "static method": lambda: Service.static,
    "static method, unbound": lambda: vars(Service)["static"],
    "property": lambda: vars(Service)["value"],
}


@pytest.mark.parametrize("reach", REACH.values(), ids=REACH)
def test_the_patches_of_a_target_are_listed_however_it_is_reached(
    reach: Callable[[], Any],
) -> None:
    assert patches(reach()) == []
    with hotpatch(lambda *arguments: "new", reach()) as patch:
        assert patches(reach()) == [patch]
    assert patches(reach()) == []


@pytest.mark.parametrize("target", [dict.__getitem__, int, 3, ()])
def test_what_could_not_be_patched_has_no_list(target: Any) -> None:
    with pytest.raises(TypeError, match="cannot patch"):
        patches(target)


def test_the_list_is_a_copy() -> None:
    with hotpatch(new, f) as patch:
        patches(f).clear()
        assert patches(f) == [patch]


def test_the_original_of_a_patch_is_one_object() -> None:
    with hotpatch(new, f) as patch:
        assert patch.original is patch.original
        assert patch.original is not f
    assert patch.original is f


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in 3.12")
def test_monitoring_sees_the_calls_of_a_patched_function() -> None:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    seen: list[str] = []
    monitoring.use_tool_id(4, "test")
    try:
        monitoring.register_callback(
            4, monitoring.events.PY_START, lambda code, offset: seen.append(code.co_name)
        )
        monitoring.set_events(4, monitoring.events.PY_START)
        with hotpatch(new, f):
            f()
        f()
    finally:
        monitoring.set_events(4, 0)
        monitoring.free_tool_id(4)
    assert [name for name in seen if name in ("f", "new")] == ["new", "f"]
