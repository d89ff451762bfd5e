def check(m):
    yield
    # It stood where it was not executed.
    assert m.B == 2
