def check(m):
    original = m.f
    m.f = lambda: "mine"
    m.g = mine = lambda: "mine"
    m.LIMIT = 4
    report = yield
    # What somebody has bound stays, and what the text is about changes behind it.
    assert m.call_f() == "mine"
    assert original() == 2
    assert m.g is mine
    assert m.LIMIT == 4
    why = "it is gone, but something else has its name"
    assert {it.qualname: it.why for it in report.not_applied} == {"g": why, "LIMIT": why}
