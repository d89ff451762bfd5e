def check(m):
    one, two, cls = m.A(1), m.A(2), m.A
    assert one < two
    assert one <= two
    yield
    assert m.A is cls
    assert one > two
    assert one >= two
    assert not one < two
    assert vars(cls)["__lt__"].__module__ == "functools"
    assert m.B(1) <= m.B(2)
    yield
    assert m.A is cls
    assert one > two
    assert "__lt__" not in vars(cls)
    assert m.B(1) >= m.B(0)
