def check(m):
    assert m.A() == m.A()
    yield
    assert m.A.__slots__ == ("x", "y")
    assert m.A() == m.A()
    assert m.__doc__ == "two"
