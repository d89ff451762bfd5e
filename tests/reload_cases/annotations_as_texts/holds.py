def check(m):
    report = yield
    assert m.g.__annotations__ == {"a": "str"}
    assert m.f.__annotations__ == {"a": int}
    (one,) = report.not_applied
    assert (one.qualname, one.line) == ("annotations", 1)
