def check(m):
    gone, a = m.gone, m.A()
    report = yield
    assert m.f() == gone() == 2
    assert not hasattr(m, "gone")
    assert not hasattr(m.A, "gone")
    assert a.f().__name__ == "__init__"
    assert a.x == 1
    assert m.A.new.__qualname__ == "A.new"
    found = [(it.kind, it.qualname) for it in report.changes]
    assert found == [
        ("updated", "f"),
        ("added", "new"),
        ("updated", "A.f"),
        ("added", "A.new"),
        ("ran", "A.x"),
        ("deleted", "A.gone"),
        ("deleted", "gone"),
    ]
