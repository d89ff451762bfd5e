def check(m):
    a, one, inner = m.A(), m.A._A__one, m.A._A__Inner
    yield
    assert a.call() == (10, ("marked", 2), 20)
    assert m.A._A__one is one
    assert m.A._A__Inner is inner
    assert inner._Inner__z == 2
    assert vars(m._)["__z"] == 1
    gone = [(m.A, "_A__gone"), (inner, "_Inner__x"), (m._, "__y")]
    assert not any(name in vars(cls) for cls, name in gone)
