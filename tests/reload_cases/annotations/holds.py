def check(m):
    f = m.f
    yield
    assert f.__annotations__ == {"a": str, "b": int, "return": None}
    assert f("x") == ("x", 3)
