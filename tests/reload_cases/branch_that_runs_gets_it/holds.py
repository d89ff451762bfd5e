def check(m):
    assert m.f("x") == 1
    yield
    assert m.f("x") == 2
