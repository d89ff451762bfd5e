def check(m):
    f = m.f
    report = yield
    assert (m.x, m.f, f(), m.__doc__) == (2, f, 2, None)
    assert report.not_applied == []
