import inspect


def check(m):
    yield
    assert (m.A.f(None), m.A.x) == (2, "2")
    assert inspect.get_annotations(m.A) == {"x": str}
