import traceback


def line_of(function):
    try:
        function()
    except ZeroDivisionError as error:
        return traceback.extract_tb(error.__traceback__)[-1].lineno


def check(m):
    cls = m.A
    yield
    assert (m.a, m.b, hasattr(m, "c")) == (1, 20, False)
    assert (cls.x, cls.y, m.A) == (1, 20, cls)
    assert (line_of(m.d[0]), line_of(cls().f)) == (1, 2)
    yield
    assert (m.a, m.b, m.d, m.A) == (1, 20, 5, cls)
    assert (cls.x, cls.z, hasattr(cls, "y")) == (1, 200, False)
    assert line_of(cls().f) == 1
