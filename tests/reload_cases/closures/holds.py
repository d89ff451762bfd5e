def check(m):
    one, two = m.make(1), m.make(2)
    yield
    assert (one(5), two(5), m.make(3)(5)) == (4, 3, 2)
    report = yield
    # They have no cell for `m`, and go on as they are.
    assert (one(5), two(5), m.make(3)(5)) == (4, 3, 1)
    assert [(it.kind, it.qualname) for it in report.stale] == [("stale", "make.<locals>.add")]
    assert "2 live" in report.stale[0].why
