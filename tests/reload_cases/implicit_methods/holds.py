def check(m):
    yield
    cls = m.A
    assert cls[1] == (cls, 1)
    assert type("Sub", (cls,), {})(1, 2).made
    # Something that only the compiler needs.
    assert "__classdictcell__" not in vars(cls)
    if hasattr(cls.In, "__firstlineno__"):  # CPython 3.13
        assert [it.__firstlineno__ for it in (cls.In, m.C, m.C.In)] == [4, 24, 25]
