def check(m):
    f = m.f
    yield
    assert m.f is f
    assert f() == 3
    assert m.x == 1
