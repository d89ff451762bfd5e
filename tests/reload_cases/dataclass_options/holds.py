import dataclasses
import gc
import inspect


def check(m):
    a, b, s, cls, old, plain = m.A(), m.B(), m.S(), m.S, m.A, m.Plain()
    m.B.count = 7
    # Before 3.14 the class without slots stays, since `super()` means that.
    gc.collect()
    count = sum(it.__name__ == "S" for it in object.__subclasses__())
    report = yield
    assert (report.not_applied, report.stale) == ([], [])
    assert m.A is old
    assert str(inspect.signature(m.A)) == "(*, x: int = 1) -> None"
    assert m.A(x=1) < m.A(x=2)
    assert hash(m.A()) == hash(m.A())
    try:
        a.x = 2
    except dataclasses.FrozenInstanceError:
        pass
    else:
        raise AssertionError("it is not frozen")
    assert (m.B().key2, m.B(1, 3).key2, m.B.count) == (-6, -3, 7)
    assert "__lt__" not in vars(m.B)
    assert m.B(1) == m.B(2)
    assert m.B.__hash__ is None
    assert (repr(plain), repr(m.Plain(3))) == ("Plain(x=1)", "Plain(x=3)")
    # Its slots are the same.
    assert m.S is cls
    assert repr(m.S()) == "S(x=2, y=[])"
    assert (s.x, s.f(), isinstance(s, cls)) == (1, 2, True)
    assert type(vars(cls)["x"]).__name__ == "member_descriptor"
    assert repr(m.Derived()) == "Derived(x=2, y=[], z=3)"
    assert count == sum(it.__name__ == "S" for it in object.__subclasses__())
    assert str(inspect.signature(m.K)) == "(y: int = 2, *, x: int, w: int) -> None"
    report = yield
    assert [it.qualname for it in report.stale] == ["S", "Derived"]
    assert (m.Derived.__base__, m.Derived().w) == (m.S, 4)
    assert "; 1 live instances" in report.stale[0].why or "; 2 live" in report.stale[0].why
    assert m.A is old
    assert not dataclasses.is_dataclass(m.A)
    a.x = 3
    assert (m.A().x, m.A.__init__) == (1, object.__init__)
    assert m.S is not cls
    assert (s.f(), s.x, m.S().w, m.S().f()) == (3, 1, 4, 3)
    assert repr(m.B()) == "B(x=1)"
    assert m.B(1) != m.B(2)
    assert isinstance(b, m.B)
