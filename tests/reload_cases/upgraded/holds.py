def check(m):
    a, b = m.A(), m.B()
    unchanged = m.C()
    report = yield
    names = ["VALUE", "A.f"]
    assert [it.qualname for it in report.changes] == names
    assert [("dispose", 1), ("reloaded", 2, names)] == m.CALLS
    assert a.seen == b.seen == [names]
    del unchanged
    failure = yield
    # One that raises an exception makes the reload fail.
    assert "ZeroDivisionError" in str(failure)
    assert (m.VALUE, a.f()) == (2, 2)
