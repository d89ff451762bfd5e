"""Random patches, undone in random order, against a plain-Python model of what each call gives.

Hypothesis draws a sequence of steps: make a target, patch it, undo a patch, begin a generator,
write other code into a function, drop a handle, collect garbage and so on. Each step happens twice,
to real functions and to the model of `model.py`. After each step every function that the test can
reach is called, and must give what the model says.

The examples are the same in each run. `HOTPATCH_FUZZ=1000` draws 1,000 new ones instead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import itertools
import os
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from hotpatch import Patch, PatchError, hotpatch, patches
from hypothesis import HealthCheck, settings, stateful
from hypothesis import strategies as st
from model import (
    ANYTHING,
    Builtin,
    Function,
    Hooked,
    Layer,
    Meaning,
    Observed,
    Place,
    Steps,
    Written,
    advance,
    as_method,
    could_call_itself,
    frozen,
    is_live,
)
from model_written import (
    STYLES,
    SYNTAX,
    Style,
    copied,
    write,
    write_code,
    write_hook,
)

WRAPPERS = [None, as_method, classmethod, staticmethod, property]
WITH_ORIGINAL = ["calls the original", "keeps the original"]
WITHOUT_ORIGINAL = ["says", "undoes itself"]
AUTHORS = itertools.count()
INDEX = st.integers(0, 59)
ORDER = st.integers(-1, 1)
HAS_TARGETS = stateful.precondition(lambda machine: machine.targets)
HAS_PLACES = stateful.precondition(lambda machine: machine.places())
HAS_HANDLES = stateful.precondition(lambda machine: machine.handles)
HAS_FLIGHTS = stateful.precondition(lambda machine: machine.flights)


class PatchedFunctions(stateful.RuleBasedStateMachine):
    """Real functions and their model, changed together."""

    def __init__(self) -> None:
        super().__init__()
        gc.disable()  # garbage goes when a step says so
        gc.freeze()  # and collecting it does not look at what was there before
        self.has_hooks = False
        self.author = f"model {next(AUTHORS)}"
        self.numbers = itertools.count()
        self.targets: list[Place] = []
        self.originals: list[Place] = []
        self.functions: list[Function] = []  # also those that only patches hold
        self.handles: list[tuple[Layer, Patch]] = []
        self.flights: list[tuple[Steps, Any]] = []

    def places(self) -> list[Place]:
        return self.targets + self.originals

    def target(self, index: int) -> Place:
        return self.targets[index % len(self.targets)]

    def place(self, index: int) -> Place:
        return self.places()[index % len(self.places())]

    def handle(self, index: int) -> tuple[Layer, Patch]:
        return self.handles[index % len(self.handles)]

    def label(self, word: str) -> str:
        return f"{word} {next(self.numbers)}"

    def layer(
        self,
        owner: Function,
        meaning: Meaning,
        replacement: Function | None = None,
        order: int = 0,
    ) -> Layer:
        number = next(self.numbers)
        return Layer(f"{self.author} {number}", number, order, owner, meaning, replacement)

    def write(self, kind: str, label: str, style: Style, *args: Any, **kwargs: Any) -> Any:
        """Hooks pass defaults on, also to an original that takes no such argument by now."""
        if self.has_hooks:
            style = dataclasses.replace(style, y=None, z=None)
        return write(kind, label, style, *args, **kwargs)

    def apply(self, replacement: Any, place: Place, layer: Layer, name: int = 0) -> Patch | None:
        target = place.names[name % len(place.names)]
        if place.model.foreign:
            with pytest.raises(PatchError, match="changed by somebody else"):
                hotpatch(replacement, target, by=layer.by)
            return None
        patch = hotpatch(replacement, target, by=layer.by, order=layer.order)
        layer.insert()
        self.handles.append((layer, patch))
        return patch

    @stateful.initialize(kind=st.sampled_from([*SYNTAX]), style=STYLES, has_hooks=st.booleans())
    def begin_with_two_of_a_kind(self, kind: str, style: Style, has_hooks: bool) -> None:
        self.has_hooks |= has_hooks
        self.make_target(None, kind, style)
        self.make_target(as_method, kind, style)

    @stateful.rule(wrap=st.sampled_from(WRAPPERS), kind=st.sampled_from([*SYNTAX]), style=STYLES)
    @stateful.precondition(lambda machine: len(machine.targets) < 4)
    def make_target(self, wrap: Callable[[Any], Any] | None, kind: str, style: Style) -> None:
        function, meaning = self.write(kind, self.label("base"), style)
        model = Function(kind, meaning)
        place = (
            Place.of_member(model, function, wrap) if wrap else Place.of_function(model, function)
        )
        self.functions.append(model)
        self.targets.append(place)

    @HAS_PLACES
    @stateful.precondition(lambda machine: len(machine.targets) < 4)
    @stateful.rule(at=INDEX)
    def copy_to_a_new_target(self, at: int) -> None:
        place = self.place(at)
        if is_live(place.model.meaning()):
            return  # such a copy, put below the hook, would call itself
        model = place.model.copy()
        self.functions.append(model)
        self.targets.append(Place.of_function(model, copied(place.function)))

    @HAS_PLACES
    @stateful.rule(at=INDEX, name=INDEX, style=STYLES, does=st.sampled_from(WITHOUT_ORIGINAL))
    def patch_with_function(self, at: int, name: int, style: Style, does: str) -> None:
        self.patch_around(at, name, style, does)

    @HAS_PLACES
    @stateful.rule(at=INDEX, name=INDEX, style=STYLES, does=st.sampled_from(WITH_ORIGINAL))
    def patch_around(self, at: int, name: int, style: Style, does: str) -> None:
        place = self.place(at)
        handle: list[Any] = []
        replacement, meaning = self.write(place.model.kind, self.label("body"), style, does, handle)
        layer = meaning.layer = self.layer(place.model, meaning)
        patch = self.apply(replacement, place, layer, name)
        if patch and does == "keeps the original":
            meaning.kept = layer.original()
            handle.append(patch.original)
        elif patch:
            handle.append(patch)

    @HAS_PLACES
    @stateful.rule(at=INDEX, name=INDEX, style=STYLES, order=ORDER)
    def patch_further_out(self, at: int, name: int, style: Style, order: int) -> None:
        place = self.place(at)
        replacement, meaning = self.write(place.model.kind, self.label("body"), style)
        self.apply(replacement, place, self.layer(place.model, meaning, order=order), name)

    @HAS_PLACES
    @stateful.precondition(lambda machine: machine.has_hooks)
    @stateful.rule(at=INDEX, order=ORDER, is_observer=st.booleans())
    def hook(self, at: int, order: int, is_observer: bool) -> None:
        place, label = self.place(at), self.label("hook")
        target = place.function
        if place.model.foreign:
            with pytest.raises(PatchError, match="changed by somebody else"):
                hotpatch(lambda x: None, target, how="before")
            return
        layer = self.layer(place.model, Builtin(repr), order=order)
        patch: Patch
        if is_observer:
            layer.hook = functools.partial(Observed, label)
            # This has a parameter that is only positional, and keeps nothing.
            nothing: list[object] = []
            observer = nothing.count
            if place.model.base.parameters == ANYTHING:
                with pytest.raises(TypeError, match="it has a parameter 'value'"):
                    hotpatch(observer, target, how="before")
                return
            patch = hotpatch(observer, target, how="before", order=order, by=layer.by)
        else:
            layer.hook = functools.partial(Hooked, label)
            hook = write_hook(place.model.kind, label)
            patch = hotpatch(hook, target, how="around", order=order, by=layer.by)
        layer.insert()
        self.handles.append((layer, patch))

    @HAS_PLACES
    @stateful.rule(at=INDEX, style=STYLES, form=st.sampled_from(["partial", "bound", "object"]))
    def patch_with_callable(self, at: int, style: Style, form: str) -> None:
        place = self.place(at)
        inner, meaning = self.write(place.model.kind, self.label(form), style, first="self, ")
        forms: dict[str, Callable[..., Any]] = {
            "partial": functools.partial(inner, object()),
            "bound": types.MethodType(inner, object()),
            "object": type("Callable", (), {"__call__": inner})(),
        }
        self.apply(forms[form], place, self.layer(place.model, meaning))

    @HAS_PLACES
    @stateful.rule(at=INDEX, replacement=st.sampled_from([repr, id, type]))
    def patch_with_builtin(self, at: int, replacement: Callable[..., Any]) -> None:
        place = self.place(at)
        layer = self.layer(place.model, Builtin(replacement))
        if place.model.kind == "plain":
            self.apply(replacement, place, layer)
            return
        with pytest.raises(TypeError, match=f"{place.model.kind} function.*plain function"):
            hotpatch(type, place.function)  # of a function in C it is not known what it returns

    @HAS_TARGETS
    @stateful.rule(at=INDEX, source=INDEX, is_copy=st.booleans())
    def patch_with_what_another_does(self, at: int, source: int, is_copy: bool) -> None:
        """The patch does not follow the other function later, and with a copy does not keep it."""
        place = self.target(at)
        others = [other for other in self.places() if other is not place] or [place]
        other = others[source % len(others)]
        is_copy = is_copy and not is_live(other.model.meaning())
        model = other.model.copy() if is_copy else other.model
        layer = self.layer(place.model, frozen(other.model.meaning()), model)
        if could_call_itself(layer):
            return
        if place.model.kind == other.model.kind:
            self.apply(copied(other.function) if is_copy else other.function, place, layer)
            return
        kinds = f"{place.model.kind} function.*{other.model.kind} function"
        with pytest.raises(TypeError, match=kinds):
            hotpatch(other.function, place.function)

    @HAS_TARGETS
    @stateful.rule(at=INDEX)
    def freeze(self, at: int) -> None:
        place = self.target(at)
        layer = self.layer(place.model, frozen(place.model.meaning()), place.model)
        if not could_call_itself(layer):
            self.apply(place.function, place, layer)

    @HAS_HANDLES
    @stateful.rule(index=INDEX)
    def undo(self, index: int) -> None:
        handles = [handle for handle in self.handles if handle[0].is_active()] or self.handles
        layer, patch = handles[index % len(handles)]
        with contextlib.nullcontext() if layer.undo() else pytest.raises(PatchError):
            patch.undo()

    @HAS_HANDLES
    @stateful.rule(index=INDEX, raises=st.booleans())
    def leave_block(self, index: int, raises: bool) -> None:
        """Also that of a patch which is undone already."""
        layer, patch = self.handle(index)
        error: type[Exception] | None = KeyError if raises else None
        error = error if layer.undo() else PatchError
        with pytest.raises(error) if error else contextlib.nullcontext(), patch:
            if raises:
                raise KeyError

    @stateful.precondition(lambda machine: len(machine.handles) > 3)
    @stateful.rule(index=INDEX)
    def drop_handle(self, index: int) -> None:
        del self.handles[index % len(self.handles)]

    @HAS_TARGETS
    @stateful.rule(at=INDEX, index=INDEX)
    def find_handle(self, at: int, index: int) -> None:
        place = self.target(at)
        if place.model.layers:
            layer = place.model.layers[index % len(place.model.layers)]
            (patch,) = patches(place.function, by=layer.by)
            assert all(other is patch for owner, other in self.handles if owner is layer)
            self.handles.append((layer, patch))

    @HAS_HANDLES
    @stateful.rule(index=INDEX)
    def hold_original(self, index: int) -> None:
        layer, patch = self.handle(index)
        model = layer.original()
        if model is None:
            with pytest.raises(PatchError, match="is gone"):
                _ = patch.original
            return
        original: Any = patch.original
        known = model.reference() if model.reference else None
        assert known is None or known is original
        if all(place.model is not model for place in self.places()):
            self.originals.append(Place.of_function(model, original))
            if model not in self.functions:
                self.functions.append(model)

    @stateful.precondition(lambda machine: machine.originals)
    @stateful.rule(index=INDEX)
    def drop_original(self, index: int) -> None:
        del self.originals[index % len(self.originals)]

    @stateful.precondition(lambda machine: len(machine.targets) > 2)
    @stateful.rule(index=INDEX)
    def drop_target(self, index: int) -> None:
        del self.targets[index % len(self.targets)]

    @HAS_PLACES
    @stateful.rule(index=INDEX, first_steps=st.integers(0, 1))
    def begin_flight(self, index: int, first_steps: int) -> None:
        place = self.place(index)
        if place.model.kind != "plain":
            self.flights.append((place.model.steps(place.x), place.function(place.x)))
            if first_steps:
                self.resume_flight(-1)

    @HAS_FLIGHTS
    @stateful.rule(index=INDEX)
    def resume_flight(self, index: int) -> None:
        model, real = self.flights.pop(index % len(self.flights))
        expected = advance(model)
        assert advance(real) == expected
        if expected[0] == "yields":
            self.flights.append((model, real))

    @HAS_FLIGHTS
    @stateful.rule(index=INDEX)
    def abandon_flight(self, index: int) -> None:
        for iterator in self.flights.pop(index % len(self.flights)):
            iterator.close()

    @HAS_TARGETS
    @stateful.precondition(lambda machine: not any(place.overwritten for place in machine.targets))
    @stateful.rule(at=INDEX, attribute=st.sampled_from(["__code__", "__kwdefaults__"]))
    def write_as_somebody_else(self, at: int, attribute: str) -> None:
        place, label = self.target(at), self.label("foreign")
        model, function, meaning = place.model, place.function, place.model.meaning()
        if model.foreign is not None:
            return
        saved = getattr(function, attribute)
        if attribute == "__code__":
            function.__code__ = write_code(model.kind, label, function)
            kept = meaning.kept if isinstance(meaning, Written) else None
            meaning = Written(label, kept=kept)
        elif saved and isinstance(meaning, Written) and meaning.defaults:
            function.__kwdefaults__ = {"z": 30}
            meaning = dataclasses.replace(meaning, defaults=(*meaning.defaults[:-1], 30))
        else:
            return
        if model.layers:
            place.overwritten, model.foreign = (attribute, saved), meaning
        else:
            model.own_base = meaning

    @stateful.precondition(lambda machine: any(place.overwritten for place in machine.targets))
    @stateful.rule(index=INDEX)
    def take_back_what_was_written(self, index: int) -> None:
        places = [place for place in self.targets if place.overwritten]
        place = places[index % len(places)]
        if place.overwritten:
            setattr(place.function, *place.overwritten)
            place.overwritten = place.model.foreign = None

    @HAS_PLACES
    @stateful.rule(index=INDEX, value=st.integers(200, 300))
    def change_a_free_variable(self, index: int, value: int) -> None:
        meaning = self.place(index).model.meaning()
        if isinstance(meaning, Written) and meaning.cells:
            meaning.cells[index % len(meaning.cells)].cell_contents = value

    @stateful.rule()
    def collect_garbage(self) -> None:
        gc.collect()
        if not self.flights:
            self.bury_the_dead()
            assert {id(model) for model in self.functions} <= self.kept(and_more=True)

    def kept(self, and_more: bool = False) -> set[int]:
        """Finds the functions that must be alive, or with `and_more` those that can be."""
        found: set[int] = set()
        todo = [place.model for place in self.places()]
        while todo:
            model = todo.pop()
            if id(model) not in found:
                found.add(id(model))
                todo.extend(model.holds())
                todo.extend(model.may_hold() if and_more else [])
        return found

    def bury_the_dead(self) -> None:
        for model in self.functions[:]:
            if model.reference and model.reference() is None:
                model.bury()
                self.functions.remove(model)

    @stateful.invariant()
    def every_call_gives_what_the_model_says(self) -> None:
        for place in self.places():
            for call in place.calls:
                self.bury_the_dead()
                expected = place.expected()
                assert place.outcomes(call) == expected

    @stateful.invariant()
    def observers_have_parameters(self) -> None:
        layers = [layer for model in self.functions for layer in model.layers]
        observers = [it.meaning for it in layers if isinstance(it.meaning, Observed)]
        assert all(observer.parameters != ANYTHING for observer in observers)

    @stateful.invariant()
    def the_patches_are_those_of_the_model(self) -> None:
        self.bury_the_dead()
        layers = [layer for model in self.functions for layer in model.layers]
        layers.sort(key=lambda layer: layer.number)
        found = [patch.by for patch in patches() if patch.by.startswith(f"{self.author} ")]
        assert found == [layer.by for layer in layers]
        for place in self.places():
            for name in place.names:
                layers = sorted(place.model.layers, key=lambda layer: layer.number)
                expected = [layer.by for layer in layers]
                assert [patch.by for patch in patches(name)] == expected
        for layer, patch in self.handles:
            assert patch.active == layer.is_active()
            assert layer.owner.reference
            target: Any = layer.owner.reference()
            assert patch.target is target

    @stateful.invariant()
    def what_somebody_holds_is_alive(self) -> None:
        kept = self.kept()
        assert all(not model.is_gone for model in self.functions)
        assert kept.isdisjoint(id(layer.owner) for layer, _ in self.handles if layer.owner.is_gone)

    def teardown(self) -> None:
        """Drops everything, and lets the calls in flight finish after that."""
        try:
            if sys.exc_info()[0]:  # a step has failed, and its traceback holds functions
                for _, real in self.flights:
                    real.close()
                return
            self.targets.clear()
            self.originals.clear()
            gc.collect()
            while self.flights:
                self.bury_the_dead()
                self.resume_flight(0)
            self.collect_garbage()
            assert not self.functions
        finally:
            gc.unfreeze()
            gc.enable()


EXAMPLES = int(os.environ.get("HOTPATCH_FUZZ", "0"))


def run_machine(machine: type[PatchedFunctions], examples: int = 120) -> None:
    profile = settings(
        max_examples=EXAMPLES or examples,
        stateful_step_count=60,
        derandomize=not EXAMPLES,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run: Any = stateful.run_state_machine_as_test  # without types in some versions of Hypothesis
    run(machine, settings=profile)


@pytest.mark.timeout(0 if EXAMPLES else 120)
def test_any_sequence_of_steps_gives_what_the_model_says() -> None:
    run_machine(PatchedFunctions)
