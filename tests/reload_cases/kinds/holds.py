import inspect


def check(m):
    f, g = m.f, m.g
    running = g(1)
    yield
    assert inspect.iscoroutinefunction(f)
    f(1).close()
    assert g(1) == 1
    assert list(running) == [1]
