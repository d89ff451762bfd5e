def check(m):
    a, b, c, state, classes = m.A(), m.B(), m.C(), m.A.STATE, (m.A, m.B, m.C)
    state.append(1)
    d, e, kind = m.D, m.E(), m.E
    report = yield
    assert classes == (m.A, m.B, m.C)
    # Those that are there as before do not run again.
    assert m.SEEN == [m.C, m.A]
    assert (a.note, a.f(), b.f(), c.x, c.note) == (1, ("wrapped", 2), 2, 2, 1)
    assert a.STATE is state
    assert [it.__name__ for it in object.__subclasses__() if it.__module__ == "subject"] == [
        *("A", "B", "C", "D", "E")
    ]
    assert [it.qualname for it in report.not_applied] == ["C"]
    assert (m.D.__name__, m.D.__bases__) == ("Other", (d,))
    assert [it.qualname for it in report.stale] == ["D"]
    assert kind is m.E
    assert (e.copied, e.f()) == (True, m.E)
    yield
    # It has failed.
    assert (a.f(), b.f(), c.note) == (("wrapped", 2), 2, 1)
