import traceback


def check(m):
    f = m.f
    yield
    try:
        f()
    except ValueError as error:
        entry = traceback.extract_tb(error.__traceback__)[-1]
        assert (entry.lineno, entry.line) == (5, "raise ValueError(x)")
