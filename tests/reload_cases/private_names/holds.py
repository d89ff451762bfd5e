def check(m):
    a = m.A()
    yield
    assert a.f() == 1
