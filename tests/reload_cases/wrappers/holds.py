def check(m):
    f = m.f
    m.g.__doc__ = "mine"
    yield
    assert m.f is f
    assert (f(1), f.__doc__, f.__annotations__) == (2, "two", {"a": str})
    assert (m.g(1), m.g.__doc__, m.g.__annotations__) == (2, "mine", {"a": str})
