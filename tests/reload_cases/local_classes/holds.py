def check(m):
    first, second = m.make(), m.make()
    a, b, other = first[0](), first[1](), second[0]()
    report = yield
    assert (a.f(), other.f(), b.g()) == (2, 2, first[1])
    assert (a.x, m.make()[0].x) == (1, 2)
    assert [(it.qualname, it.line, it.why) for it in report.not_applied] == [
        (
            "make.<locals>.A",
            1,
            "such classes that were made before get its new methods, and nothing else",
        )
    ]
    made = m.moved()
    if hasattr(made, "__firstlineno__"):  # CPython 3.13
        assert made.__firstlineno__ == 17
