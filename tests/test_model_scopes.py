"""Random patches for one thread or one context, and random blocks, against a model in plain Python.

As `test_model.py`, whose steps are among those that are taken here. After each step, every function
is called in another context and in another thread too.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hotpatch import PatchError, atomic, hotpatch
from hypothesis import stateful
from hypothesis import strategies as st
from model import (
    Builtin,
    Function,
    Hooked,
    Layer,
    Meaning,
    Place,
)
from model_scopes import (
    ELSEWHERE,
    EVERYWHERE,
    IN_THREAD,
    Block,
    Reach,
    Scope,
    Scoped,
    ScopedLayer,
    Surroundings,
    blocks,
)
from model_written import (
    STYLES,
    Style,
    write_hook,
)
from test_model import (
    EXAMPLES,
    HAS_FLIGHTS,
    HAS_HANDLES,
    HAS_PLACES,
    INDEX,
    ORDER,
    PatchedFunctions,
    run_machine,
)

WHERE = st.sampled_from(EVERYWHERE)
SCOPES: list[Scope] = ["process", "context", "thread"]
DOES = st.sampled_from(["says", "undoes itself", "calls the original"])
PATCH = st.tuples(
    st.just("patch"), INDEX, STYLES, DOES | st.just("hook"), ORDER, st.sampled_from(SCOPES), WHERE
)
UNDO = st.tuples(st.just("undo"), INDEX, WHERE)
Step = tuple[Any, ...]


def block_of(step: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just("block"), st.lists(step, min_size=1, max_size=4), st.booleans())


INNERMOST: st.SearchStrategy[Step] = PATCH | UNDO
BLOCK = block_of(INNERMOST | block_of(INNERMOST | block_of(INNERMOST)))


class ScopedFunctions(PatchedFunctions):
    """Real functions and their model, with patches that are not for all calls."""

    def __init__(self) -> None:
        super().__init__()
        self.has_hooks = True

    def layer(
        self,
        owner: Function,
        meaning: Meaning,
        replacement: Function | None = None,
        order: int = 0,
    ) -> Layer:
        number = next(self.numbers)
        return ScopedLayer(f"{self.author} {number}", number, order, owner, meaning, replacement)

    def ask(
        self, at: int, style: Style, does: str, order: int, scope: Scope, where: Surroundings
    ) -> None:
        place, label = self.place(at), self.label("scoped")
        order = 0 if does == "calls the original" else order  # else it could call itself
        layer = self.layer(place.model, Builtin(repr), order=order)
        assert isinstance(layer, ScopedLayer)
        handle: list[Any] = []
        replacement: Any
        how: Any = "replace"
        if does == "hook":
            how, replacement = "around", write_hook(place.model.kind, label)
            within: Meaning = Hooked(label, place.model)
        else:
            replacement, written = self.write(place.model.kind, label, style, does, handle)
            written.layer, within = layer, written

        def apply() -> None:
            options: Any = {"how": how, "order": order, "scope": scope, "by": layer.by}
            if place.model.foreign:
                with pytest.raises(PatchError, match="changed by somebody else"):
                    hotpatch(replacement, place.function, **options)
                return
            patch = hotpatch(replacement, place.function, **options)
            handle.append(patch)
            layer.reach = Reach(scope)
            if how == "around":
                layer.hook = lambda below: Scoped(
                    label, below, within=Hooked(label, below), reach=layer.reach
                )
            elif scope == "process":
                layer.meaning = within
            else:
                layer.hook = lambda below: Scoped(label, below, within=within, reach=layer.reach)
            layer.insert()
            self.handles.append((layer, patch))

        where.run(apply)

    @HAS_PLACES
    @stateful.rule(
        at=INDEX, style=STYLES, does=DOES, order=ORDER, scope=st.sampled_from(SCOPES), where=WHERE
    )
    def patch_in_scope(
        self, at: int, style: Style, does: str, order: int, scope: Scope, where: Surroundings
    ) -> None:
        self.ask(at, style, does, order, scope, where)

    @HAS_PLACES
    @stateful.rule(at=INDEX, order=ORDER, scope=st.sampled_from(SCOPES), where=WHERE)
    def hook_in_scope(self, at: int, order: int, scope: Scope, where: Surroundings) -> None:
        self.ask(at, Style(0, None, None, False), "hook", order, scope, where)

    @HAS_HANDLES
    @stateful.rule(index=INDEX, where=WHERE)
    def undo_anywhere(self, index: int, where: Surroundings) -> None:
        where.run(functools.partial(self.undo, index))

    @HAS_PLACES
    @stateful.rule(index=INDEX, first_steps=st.just(1))
    def begin_flight(self, index: int, first_steps: int) -> None:
        # Not all ask where the call was made: some ask where it begins to run.
        super().begin_flight(index, first_steps)

    @HAS_FLIGHTS
    @stateful.rule(index=INDEX, where=WHERE)
    def resume_flight_anywhere(self, index: int, where: Surroundings) -> None:
        where.run(functools.partial(self.resume_flight, index))

    @HAS_PLACES
    @stateful.rule(block=BLOCK)
    def run_block(self, block: Step) -> None:
        _, steps, is_to_fail = block
        made = Block()
        try:
            with atomic():
                blocks.append(made)
                try:
                    self.take_steps(steps)
                    if is_to_fail:
                        raise KeyError
                finally:
                    blocks.pop()
        except KeyError:
            assert is_to_fail
        except PatchError:
            assert not blocks
            assert made.touches_both()
        else:
            assert not is_to_fail
            if blocks:
                blocks[-1].join(made)
            else:
                made.carry_out()

    def take_steps(self, steps: list[Step]) -> None:
        for kind, *arguments in steps:
            if kind == "patch":
                self.ask(*arguments)
            elif kind == "undo":
                if self.handles:
                    index, where = arguments
                    where.run(functools.partial(self.undo_any, index))
            else:
                self.run_block((kind, *arguments))
            self.call_all()
            for layer, patch in self.handles:
                assert isinstance(layer, ScopedLayer)
                assert (patch.active, patch.pending) == (layer.is_active(), layer.is_pending())

    def undo_any(self, index: int) -> None:
        """Also one that is pending, and rather a new one."""
        layer, patch = self.handles[-1 - index % len(self.handles)]
        if layer.undo():
            patch.undo()
        else:
            with pytest.raises(PatchError):
                patch.undo()

    @stateful.invariant()
    def calls_elsewhere_give_what_the_model_says(self) -> None:
        for where in (ELSEWHERE, IN_THREAD):
            where.run(self.call_all)

    def call_all(self) -> None:
        for place in self.places():
            self.call(place)

    def call(self, place: Place) -> None:
        self.bury_the_dead()
        expected = place.expected()
        assert place.outcomes(place.calls[0]) == expected


@pytest.mark.timeout(0 if EXAMPLES else 120)
def test_any_sequence_of_steps_with_scopes_and_blocks_gives_what_the_model_says() -> None:
    run_machine(ScopedFunctions, examples=60)
