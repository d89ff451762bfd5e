def has_hash(value):
    try:
        hash(value)
    except TypeError:
        return False
    return True


def check(m):
    a, b, c, d = m.A(), m.B(), m.C(), m.D()
    assert (has_hash(a), has_hash(b), has_hash(d)) == (True, False, True)
    yield
    assert a == m.A()
    assert (has_hash(a), has_hash(b), has_hash(d)) == (False, True, False)
    assert b != m.B()
    assert (m.C.__doc__, len(c)) == ("CC.", 2)
    assert type("Sub", (m.C,), {})(1, 2).made
    yield
    assert (hash(a), has_hash(b), has_hash(d)) == (5, True, False)
    assert (m.C.__doc__, len(c)) == (None, 3)
