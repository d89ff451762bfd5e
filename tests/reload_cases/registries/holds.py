def check(m):
    first, enumeration, member = m.A, m.E, m.E.X
    yield
    assert (first, enumeration, member) == (m.A, m.E, m.E.X)
    assert (first.keywords, [it.name for it in m.E]) == ({"a": 2}, ["X", "Y"])
    # A class that was made on the way is not left in there.
    assert {"A": first, "Root": m.Root, "E": enumeration} == m.BY_NAME
    assert [first, m.Root, enumeration] == m.ALL
    assert {first, m.Root, enumeration} == m.SEEN
    assert m.Base.__subclasses__() == [first, m.Root]
    assert m.Root.__subclasses__() == [enumeration]
