def check(m):
    f, before = m.f, m.M
    yield
    assert m.M is m.ALIAS is not before
    assert (m.f, f()) == (f, True)
