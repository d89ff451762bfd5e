import hotpatch


def check(m):
    f, g, gone = m.KEPT
    yield
    assert sorted(m.SEEN, key=str) == [("f", 20), ("g", 20), ("gone", None)]
    assert (f.code, g.code) == (m.f.__code__, m.g.__code__)
    assert gone.code.co_name == "gone"
    m.SEEN.clear()
    error = yield
    assert isinstance(error, hotpatch.ReloadError)
    # They were told, and then that it was taken back.
    assert sorted(m.SEEN) == [("f", 20), ("f", 30), ("g", 20), ("g", 30)]
    assert (f.code, g.code) == (m.f.__code__, m.g.__code__)
    assert m.f(1) == 20
