def check(m):
    a, b = m.A, m.B
    yield
    # The other branch has not been executed.
    assert (a.x, a().f(), hasattr(a, "y"), b.x) == (1, 1, False, 2)
    yield
    assert (m.A.x, m.A().f(), m.A, m.B.x, m.B) == (100, 100, a, 200, b)
