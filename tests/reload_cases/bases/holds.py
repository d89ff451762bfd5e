def check(m):
    cls, a, k = m.A, m.A(), m.K()
    assert a.g() == "P"
    report = yield
    assert m.A is cls
    assert cls.__bases__ == (m.Q, m.P)
    assert (a.f(), a.g(), isinstance(a, m.Q)) == ("Q", "QQ", True)
    stale = {it.qualname: it.why for it in report.stale}
    if "Plain" in stale:  # CPython 3.15 allows it
        why = stale.pop("Plain")
        assert why.startswith("a new class has its name, since its ")
    assert (stale, report.not_applied) == ({}, [])
    assert m.Plain.__bases__ == (m.P,)
    assert (m.K, k.f()) == (type(k), "P")
    yield
    # It has failed.
    assert cls.__bases__ == (m.Q, m.P)
    assert a.g() == "QQ"
