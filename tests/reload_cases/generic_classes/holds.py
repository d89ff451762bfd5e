SINCE = (3, 12)


def check(m):
    first, second, a, b = m.A, m.B, m.A(), m.B(1)
    yield
    assert (first, second) == (m.A, m.B)
    one, other = m.A.__type_params__
    assert m.A.__parameters__ == (one, other)
    assert m.A.f.__annotations__ == {"x": one, "return": other}
    assert (a.f(1), m.A[int, bool].__args__, isinstance(a, m.A)) == (-1, (int, bool), True)
    (only,) = m.B.__type_params__
    assert m.B.__annotations__ == {"x": only, "y": only}
    assert m.B.g.__annotations__ == m.B.f.__annotations__ == {"x": only, "return": only}
    assert (b.f(), repr(m.B(1))) == (2, "B(x=1, y=3)")
    assert b.g(1).startswith("<subject.B object")
