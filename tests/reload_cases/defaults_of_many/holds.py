def check(m):
    held, g = m.HELD, m.g
    held[0].__defaults__[0].append(1)
    report = yield
    assert [f(0) for f in held] == [(0, [1], 3), (0, [], 3)]
    assert m.HELD is held
    assert g(1, 2) == (1, 2, 1, 2)
    assert report.stale == []
