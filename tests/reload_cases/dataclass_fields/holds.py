import copy
import dataclasses
import inspect
import pickle


def check(m):
    cls, a, init, other, b = m.A, m.A(1), m.A.__init__, m.B, m.B(1)
    report = yield
    assert (cls, other) == (m.A, m.B)
    assert report.not_applied == []
    assert [(it.kind, it.qualname) for it in report.changes] == [
        ("updated", "A"),
        ("ran", "A.statement"),
        ("ran", "A.n"),
        ("ran", "A.more"),
        ("updated", "A.f"),
        ("updated", "B"),
        ("ran", "B.y"),
        ("added", "B.__repr__"),
        ("added", "B.__post_init__"),
    ]
    assert cls.__init__ is init  # whoever holds it
    assert [*inspect.signature(cls).parameters] == ["x", "y", "tags", "n", "more"]
    new = cls(1, 2)
    assert repr(new) == "A(x=1, y=2, tags=[], n=2)"
    assert new == cls(1, 2) != cls(1, 3)
    assert cls(1, 2).tags is not new.tags
    assert new.f() == (1, 2)
    assert (vars(a), isinstance(a, cls)) == ({"x": 1, "tags": [], "n": 1}, True)
    assert [it.name for it in dataclasses.fields(cls)] == ["x", "y", "tags", "n", "more"]
    assert cls.__match_args__ == ("x", "y", "tags", "n", "more")
    assert cls.__doc__ == "Of two."
    assert pickle.loads(pickle.dumps(new)) == copy.copy(new) == new
    assert vars(pickle.loads(pickle.dumps(a))) == vars(a)
    assert dataclasses.replace(new, y=5).y == 5
    assert (repr(other(1)), other(1).z, other(1) == other(1)) == ("B!", 1, True)
    assert other.__doc__ == "B(x: int, y: 'str' = 'y')"
    yield
    assert (cls, other) == (m.A, m.B)
    assert repr(cls(2)) == "A(y=2, tags=[])"
    assert not hasattr(cls, "n")
    assert cls.__match_args__ == ("y", "tags")
    # The method that it had is generated again.
    assert repr(other("a")) == "B(y='a', x=0)"
    assert not hasattr(other("a"), "z")
    assert isinstance(b, other)
