def check(m):
    report = yield
    assert type(m.f) is m.Counted
    assert m.f(1) == ("counted", 1)
    assert m.alias is m.Holder.held is m.inner() is m.part.func is m.f
    assert m.part() == ("counted", 1)
    assert m.listed[0](1) == 1
    assert [(it.qualname, it.why) for it in report.stale] == [
        ("f", "1 object holds what it was, such as a list or an instance")
    ]
    yield
    # It has failed, and nothing has changed.
    assert m.alias is m.Holder.held is m.inner() is m.part.func is m.f
    assert type(m.f) is m.Counted
