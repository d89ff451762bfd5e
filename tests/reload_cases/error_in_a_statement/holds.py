def check(m):
    f, g = m.f, m.g
    error = yield
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert (m.A, f(), f.__doc__, m.g, hasattr(m, "B")) == (1, (1, 1), "old", g, False)
    assert m.f is f
    yield
    assert (f(), f.__doc__, hasattr(m, "g")) == ((-3, 3), "new", False)
