def check(m):
    show, shower = m.show, m.Shower()
    yield
    assert m.show is show
    assert [show(it) for it in (1.5, 1, "", [])] == ["anything", "an int", "a str", "a list"]
    assert [shower.show(it) for it in (1.5, 1)] == ["anything", "an int"]
