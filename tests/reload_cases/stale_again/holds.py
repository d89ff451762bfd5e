def check(m):
    inner = m.make(1, 2)
    report = yield
    assert inner() == 1
    assert m.make(1, 2)() == (1, 2)
    assert inner.__code__.co_firstlineno == 3
    assert [(it.qualname, it.line, it.why) for it in report.stale] == [
        ("make.<locals>.inner", 3, "1 live, made before it captured another variable")
    ]
    report = yield
    # It lacks nothing any more.
    assert inner() == ("new", 1)
    assert report.stale == []
