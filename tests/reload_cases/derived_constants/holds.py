def check(m):
    m.SET_BY_HAND = 0
    m.g.__defaults__ = (0,)
    f, listed = m.f, m.LIST
    report = yield
    assert (m.LIMIT, m.DOUBLE, m.NAMES, m.TEXT) == (5, 10, ("a", 10), "< 5>")
    assert (m.Base.size, m.Base.area) == (5, 50)
    assert f(1) == (1, 10, 6)
    # What can change, what a call made, and what somebody else has set.
    assert m.LIST is listed
    assert (m.LIST, m.CALLED, m.SET_BY_HAND, m.g()) == ([3], 3, 0, 0)
    assert [(it.kind, it.qualname) for it in report.changes] == [
        ("ran", "LIMIT"),
        ("updated", "DOUBLE"),
        ("updated", "NAMES"),
        ("updated", "TEXT"),
        ("updated", "Base.size"),
        ("updated", "Base.area"),
        ("updated", "f"),
    ]
