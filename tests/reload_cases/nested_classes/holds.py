def check(m):
    b, cls = m.A.B(), m.A.B
    yield
    assert (b.f(), b.g(), m.A.B) == (cls, 3, cls)
    assert cls.g.__qualname__ == "A.B.g"
