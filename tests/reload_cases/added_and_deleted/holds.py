def check(m):
    gone, a = m.gone, m.A()
    report = yield
    assert m.f() == gone() == 2
    assert not hasattr(m, "gone")
    assert not hasattr(m.A, "gone")
    assert a.f().__name__ == "__init__"
    assert a.x == 1
    assert m.A.new.__qualname__ == "A.new"
    found = sorted((it.kind, it.qualname) for it in report.changes)
    assert found == [
        ("added", "A.new"),
        ("added", "new"),
        ("deleted", "A.gone"),
        ("deleted", "gone"),
        ("ran", "A.x"),
        ("updated", "A.f"),
        ("updated", "f"),
    ]
