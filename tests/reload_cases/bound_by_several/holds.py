def check(m):
    f, h = m.f, m.h
    assert h() == 2
    yield
    # What stands below binds these names again, and does not run.
    assert (m.f, m.x, m.y, m.w, hasattr(m, "z")) == (f, 2, 11, 2, False)
    assert (m.A.a, m.A.b) == (2, 11)
    # These have never been executed.
    assert (m.never, m.g()) == (1, 1)
    # The function that had the name is what the one that is left says.
    assert (m.h, h()) == (h, 1)
