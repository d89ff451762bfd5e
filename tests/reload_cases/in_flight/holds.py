def check(m):
    running = m.g()
    assert next(running) == 1
    yield
    assert list(running) == [2]
    assert list(m.g()) == [10, 20]
    assert m.f() == 2
