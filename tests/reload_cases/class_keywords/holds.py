import gc


def check(m):
    a, b, c, d, state = m.A(), m.B(), m.C(), m.D(), m.B.STATE
    classes = m.A, m.B, m.C
    old = m.D
    report = yield
    assert classes == (m.A, m.B, m.C)
    assert (a.tag, a.f(), m.E.tag, m.E[1]) == (2, 2, 5, (m.E, 1))
    assert m.SEEN == [(m.A, 1), (m.E, None), (m.A, 2), (m.E, 5)]
    assert (b.keywords, b.f(), b.STATE is state) == ({"a": 2}, (2, m.B), True)
    assert type(m.C) is m.Other
    assert isinstance(c, m.C)
    # CPython does not let a class of `type` have another metaclass.
    assert m.D is not old
    assert (d.f(), type(m.D)) == (2, m.Meta)
    assert [it.qualname for it in report.stale] == ["D"]
    names = [it.__name__ for it in gc.get_objects() if isinstance(it, m.Meta)]
    assert sorted(names) == ["B", "C", "D"]
