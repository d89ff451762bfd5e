def check(m):
    f = m.f
    report = yield
    assert (m.f, f()) == (f, "new")
    assert m.g() == "new"
    assert [(it.kind, it.qualname) for it in report.changes if it.qualname != "sys"] == [
        ("updated", "f"),
        ("added", "g"),
    ]
