import traceback


def line_of(function):
    try:
        function()
    except ValueError as error:
        return traceback.extract_tb(error.__traceback__)[-1].lineno


def check(m):
    log = m.LOG
    report = yield
    assert m.LOG is log
    assert log == ["run", "home"]
    # The import has failed, and the handler has run.
    assert m.json is None
    assert not {"one", "three", "four", "six"} & vars(m).keys()
    assert line_of(m.two) == 20
    assert (m.A.y, m.A().f(), m.five, m.seven) == (2, m.A, 5, 7)
    assert m.A.f.__qualname__ == "A.f"
    left_out = [(it.qualname, it.line, it.why) for it in report.not_applied]
    assert left_out == [("four", 27, "the test of its block may do more than look")]
