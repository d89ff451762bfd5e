def check(m):
    count = m.COUNT
    yield
    # What binds a name again runs after what bound it before. All else does not.
    assert m.X == ["B", "end"]
    assert m.A.y == 11
    assert m.COUNT is count == [1]
