def check(m):
    a, b = m.A, m.B
    yield
    assert (a, b) == (m.A, m.B)
    assert (a.__parameters__, b.__parameters__) == ((m.T,), (m.T, m.U))
    assert a.__orig_bases__ == (m.P, m.Generic[m.T])
    assert a[int].__args__ == (int,)
    yield
    assert (a.__bases__, b.__bases__) == ((m.P,), (m.P,))
    assert not hasattr(a, "__orig_bases__")
