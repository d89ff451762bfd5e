def check(m):
    yield
    assert not {"b", "d", "g"} & vars(m).keys()
    assert (m.a, m.x, m.c, m.y, m.e, m.f) == (1, 2, 3, 4, 5, 6)
