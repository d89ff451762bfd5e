def check(m):
    function, held = m.old, [m.old]
    yield
    assert m.new is function is held[0]
    assert not hasattr(m, "old")
    assert (function.__name__, function.__qualname__) == ("new", "new")
