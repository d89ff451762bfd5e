def check(m):
    report = yield
    assert m.f() == 2
    assert m.found
    assert not report.not_applied
