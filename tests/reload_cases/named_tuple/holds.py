def check(m):
    p, cls, q, other, record = m.P(1), m.P, m.Q(1), m.Q, m.D
    report = yield
    assert m.P is cls
    assert (p, p.f(), p.g(), m.P(1), m.P._field_defaults) == ((1, 1), (1, 1), 3, (1, 2), {"y": 2})
    assert isinstance(p, m.P)
    # One with other fields is another tuple.
    assert m.Q is not other
    assert (m.Q(1), m.Q._fields, q, q.x) == ((1, 5), ("x", "y"), (1,), 1)
    assert [(it.qualname, it.why) for it in report.stale] == [
        (
            "Q",
            "a new class has its name, since its fields changed; "
            "1 live instances of the old one run its new methods",
        )
    ]
    assert m.D is record
    assert record.__required_keys__ == {"a", "b"}
    assert [*record.__annotations__] == ["a", "b"]
