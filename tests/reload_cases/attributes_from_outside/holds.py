def check(m):
    enumeration, record, data = m.E, m.N, m.D

    def other(self):
        return "somebody's"

    for cls in (m.E, m.N, m.D):
        cls.f = other
    yield
    assert (enumeration, record, data) == (m.E, m.N, m.D)
    assert ([it.name for it in m.E], m.N(), m.D().x) == (["A", "C"], (2,), 2)
    assert (m.E.DEFAULT, m.N.zero, m.D.one) == (m.E.A, (0,), m.D(1))
    assert not hasattr(m.E, "B")
    assert {cls.f for cls in (m.E, m.N, m.D)} == {other}
