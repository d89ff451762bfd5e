import hotpatch


def check(m):
    x, table, a, b, f, held = m.X, m.TABLE, m.TABLE["a"], m.TABLE["b"], m.A.f, m.make()
    one = m.A()
    bound = one.f
    report = yield
    # The lambdas are still there, and change in place; nothing runs again.
    assert (m.X, x(), held()) == (x, [2, 2], [2, 2])
    assert (m.TABLE, a(1), b(1)) == (table, 11, 2)
    assert m.TABLE["a"] is a
    assert m.LOG == ["class"]
    assert (m.A.f, bound()) == (f, m.A)
    m.HANDLERS[0]()
    assert (len(m.HANDLERS), m.LOG) == (1, ["class", 2])
    # These were only needed for what came of them.
    assert (m.Y, m.ORDER) == (2, [3, 1, -2])
    # Defaults are evaluated.
    assert m.D() == 2
    changes = [(it.kind, it.qualname) for it in report.changes]
    assert ("updated", "X") in changes
    assert ("updated", "lambda") in changes
    assert ("ran", "Y") in changes
    assert x.__code__.co_firstlineno == 4
    error = yield
    assert isinstance(error, hotpatch.ReloadError)
    assert (x(), a(1), m.X, m.TABLE["a"]) == ([2, 2], 11, x, a)
    assert x.__code__.co_firstlineno == 4
