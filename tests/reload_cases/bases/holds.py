def check(m):
    cls, a = m.A, m.A()
    assert a.g() == "P"
    report = yield
    assert m.A is cls
    assert cls.__bases__ == (m.Q, m.P)
    assert (a.f(), a.g(), isinstance(a, m.Q)) == ("Q", "QQ", True)
    left_out = {it.qualname: it.why for it in report.not_applied}
    if "Plain" in left_out:  # CPython 3.15 allows it
        why = left_out.pop("Plain")
        assert why.startswith("its bases cannot change: __bases__ assignment:")
    else:
        assert m.Plain.__bases__ == (m.P,)
    assert left_out.keys() == {"K"}
    assert left_out["K"] == "its keywords or type parameters changed"
    yield
    # It has failed.
    assert cls.__bases__ == (m.Q, m.P)
    assert a.g() == "QQ"
