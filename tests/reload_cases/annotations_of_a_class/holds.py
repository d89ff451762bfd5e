import hotpatch


def check(m):
    a, d = m.A(), m.D(3)
    report = yield
    assert (m.LIMIT, a.x, a.f()) == (2, 2, None)
    assert m.__annotations__ == {"LIMIT": int}
    assert m.A.__annotations__ == {"x": int, "z": "A"}
    assert (d.x, m.D.y, m.D.__annotations__) == (3, 2, {"x": int, "y": int})
    assert (repr(m.D(4)), report.not_applied) == ("D(x=4, y=2)", [])
    error = yield
    assert isinstance(error, hotpatch.ReloadError)
    assert m.A.__annotations__ == {"x": int, "z": "A"}
