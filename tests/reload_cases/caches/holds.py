def check(m):
    f, kept, old, new = m.f, m.other(1), m.A(), m.A()
    assert (f(1), old.p) == ((1, 1), 1)
    yield
    assert m.f is f
    # What it has kept came of the old code; what others have kept stays, and what objects have.
    assert f(1) == (1, 2)
    assert m.other(1) is kept
    assert (old.p, new.p) == (1, 2)
