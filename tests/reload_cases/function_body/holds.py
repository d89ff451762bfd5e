def check(m):
    f, alias, table = m.f, m.ALIAS, {"f": m.f}
    report = yield
    assert m.f is f is alias is table["f"]
    assert f(1) == 3
    assert [(it.kind, it.qualname, it.line) for it in report.changes] == [("updated", "f", 1)]
