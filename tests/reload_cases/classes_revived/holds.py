def check(m):
    one, f, d, p = m.A(), m.A.f, m.D(5), m.E.P
    a, e, s = m.A, m.E, m.S()
    yield
    assert not {"A", "D", "E", "S"} & vars(m).keys()
    assert one.f() == 1
    report = yield
    assert (m.A, m.A.f, one.f(), m.A.z, hasattr(m.A, "x")) == (a, f, 2, 2, False)
    assert m.A.Inner.y == 2
    assert (type(d), type(one), m.E, m.E.P) == (m.D, m.A, e, p)
    assert (repr(m.D()), m.E.Q.value) == ("D(a=1, b=2)", 2)
    assert set(m.REGISTRY) == {a}
    # Its instances cannot be laid out in another way.
    assert type(s) is not m.S
    assert [(it.qualname, it.line) for it in report.stale] == [("S", 33)]
