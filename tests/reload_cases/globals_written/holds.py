def check(m):
    m.f()
    yield
    # A function writes it, so it is state.
    assert m.COUNT == 1
    assert not hasattr(m, "GONE")
