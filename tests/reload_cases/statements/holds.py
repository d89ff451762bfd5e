def check(m):
    b = m.B
    yield
    assert m.LOG == ["first", "new"]
    assert m.B is b
    assert [m.A, m.C] == [2, 2]
    assert b == [1]
