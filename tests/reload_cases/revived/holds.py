def check(m):
    f, g, method = m.f, m.g, m.A().method
    old = m.A.method
    yield
    assert not hasattr(m, "f")
    assert not hasattr(m.A, "method")
    # Whoever holds them can call them.
    assert (f(), g(), method()) == (1, 10, 100)
    yield
    assert m.f is f
    assert m.A.method is old
    assert (f(), g(), method()) == (2, 10, 200)
