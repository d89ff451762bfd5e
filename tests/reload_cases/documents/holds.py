def check(m):
    yield
    assert (m.__doc__, m.A.__doc__, m.f.__doc__) == (None, None, None)
    yield
    assert (m.__doc__, m.A.__doc__, m.f.__doc__) == ("new", "new", "new")
