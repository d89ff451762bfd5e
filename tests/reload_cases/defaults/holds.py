def check(m):
    f = m.f
    b, d = f.__defaults__[0], f.__kwdefaults__["d"]
    b.append(1)
    yield
    assert f(0) == (0, [1], 3, [])
    assert f.__defaults__[0] is b
    assert f.__kwdefaults__["d"] is d
    yield
    assert f(0) == (0, [1], 3, {})
    assert f.__defaults__ == (b,)
