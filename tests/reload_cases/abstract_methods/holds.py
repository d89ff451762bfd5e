def check(m):
    assert m.B.__abstractmethods__ == {"f"}
    c = m.C()
    yield
    assert (m.A.__abstractmethods__, m.C.__abstractmethods__) == ({"h"}, {"h"})
    assert m.B.__abstractmethods__ == frozenset()
    assert m.B().h() == 2
    assert c.f() == 2
    try:
        m.C()
    except TypeError:
        pass
    else:
        raise AssertionError("it is not abstract")
    yield
    # It has failed.
    assert (m.A.__abstractmethods__, m.C.__abstractmethods__) == ({"h"}, {"h"})
    assert m.B().h() == 2
