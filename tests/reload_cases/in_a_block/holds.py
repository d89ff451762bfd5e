def check(m):
    f = m.f
    report = yield
    assert m.f is f
    assert f() == 3
    assert [(it.qualname, it.line) for it in report.not_applied] == [("x", 11)]
