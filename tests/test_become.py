"""A class becomes what another is that was made later, as when a cell of a notebook runs again."""

from typing import Any
from weakref import ref

import pytest
from hotpatch._become import become, let_go
from hotpatch._blocks import NotAppliedError
from hotpatch._class_edits import turn_into
from hotpatch._generated import follow
from hotpatch._scope import Undo

BEFORE = """
import enum
from dataclasses import dataclass

class Base:
    def f(self):
        return 1

class Sub(Base):
    x = 1

    @property
    def p(self):
        return 1

    @staticmethod
    def s():
        return 1

    def f(self):
        return super().f(), __class__

@dataclass(slots=True)
class Data:
    x: int = 1

class Color(enum.Enum):
    RED = 1
    BLUE = 2
"""
AFTER = """
class Base:
    def f(self):
        return 2

class Sub(Base):
    y = 2

    @property
    def p(self):
        return 2, super()

    @staticmethod
    def s():
        return 2

    def f(self):
        return super().f(), __class__, 2

@dataclass(slots=True)
class Data:
    x: int = 2

class Color(enum.Enum):
    BLUE = 2
    RED = 3
"""


class Session:
    """Runs cells; classes of a name stay the objects that they are."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "session"}
        self.undo = Undo()

    def run(self, text: str) -> None:
        old = {name: it for name, it in self.names.items() if isinstance(it, type)}
        exec(compile(text, "<cell>", "exec"), self.names)
        for name, held in old.items():
            if (fresh := self.names[name]) is not held:
                turn_into(held, fresh, self.undo)
                self.names[name] = held
                gone = ref(fresh)
                del fresh
                follow(held, self.undo)
                let_go(gone, held)


def test_classes_stay_with_what_is_made_of_them() -> None:
    session = Session()
    session.run(BEFORE)
    names = session.names
    classes = {name: it for name, it in names.items() if isinstance(it, type)}
    base, cls, one, red = names["Base"], names["Sub"], names["Sub"](), names["Color"].RED
    f, s = one.f, cls.s
    exec("@dataclass\nclass More(Data):\n    y: int = 5", names)
    more = names.pop("More")
    session.run(AFTER)
    assert {name: it for name, it in names.items() if isinstance(it, type)} == classes
    assert (f(), s(), one.p[0], one.p[1].__self__, one.y) == ((2, cls, 2), 2, 2, one, 2)
    assert not hasattr(cls, "x")
    assert (cls.__bases__, base.__subclasses__()) == ((base,), [cls])
    assert (names["Data"]().x, repr(more())) == (2, "More(x=2, y=5)")
    assert (names["Color"].RED, red.value, [it.name for it in names["Color"]]) == (
        *(red, 3),
        ["BLUE", "RED"],
    )


def test_all_of_it_can_be_taken_back() -> None:
    session = Session()
    session.run(BEFORE)
    names = session.names
    cls, one, red = names["Sub"], names["Sub"](), names["Color"].RED
    before = dict(vars(cls))
    session.run(AFTER)
    session.undo.roll_back()
    assert (one.f(), one.s(), one.p, one.x) == ((1, cls), 1, 1, 1)
    assert dict(vars(cls)) == before
    assert (red.value, names["Color"](1), [it.name for it in names["Color"]]) == (
        *(1, red),
        ["RED", "BLUE"],
    )
    assert names["Data"]().x == 1


def test_one_of_another_layout_is_refused() -> None:
    class Old:
        __slots__ = ("x",)

    class New:
        __slots__ = ("x", "y")

    before = dict(vars(Old))
    with pytest.raises(NotAppliedError, match="its slots changed"):
        become(Old, New, Undo())
    assert dict(vars(Old)) == before
