def check(m):
    report = yield
    assert m.RAN == []
    assert [it.line for it in report.not_applied] == [3]
