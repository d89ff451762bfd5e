import copy


def check(m):
    cls, a, b, other, a2, plain = m.A, m.A(), m.B(), m.B, m.A(), m.Plain()
    a.x = 1
    report = yield
    assert m.A is not cls
    new = m.A()
    new.y = 5
    assert (a.f(), a.x, a.g(), new.f(), new.g()) == (2, 1, cls, 2, m.A)
    assert isinstance(copy.copy(a2), cls)
    assert (m.B, b.y, b.f()) == (other, 2, other)
    assert {it.qualname: it.why for it in report.stale} == {
        "A": "a new class has its name, since its slots changed; "
        "2 live instances of the old one run its new methods",
        "Plain": "a new class has its name, since its instances are laid out in another way; "
        "1 live instances of the old one run its new methods",
    }
    assert m.A.__slots__ == ("x", "y")
    assert not isinstance(plain, m.Plain)
