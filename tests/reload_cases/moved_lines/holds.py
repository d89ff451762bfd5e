import traceback


def line_of(function):
    try:
        function()
    except Exception as error:
        return traceback.extract_tb(error.__traceback__)[-1].lineno


def check(m):
    f, held = m.f, m.HELD
    code = f.__code__
    assert (line_of(f), line_of(held[0])) == (2, 6)
    report = yield
    assert (line_of(f), line_of(held[1])) == (4, 8)
    assert f.__code__ is code
    assert m.HELD is held
    assert report.changes == []
