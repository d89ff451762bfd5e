def check(m):
    cls, a, f, g = m.A, m.A(), m.A().f, m.A.g
    cls.count = 5
    yield
    assert m.A is cls
    assert cls.count == 5
    assert f().startswith("<subject.A object")
    assert (g(), a.p, a.s(), isinstance(a, cls)) == ("A", cls, 2, True)
