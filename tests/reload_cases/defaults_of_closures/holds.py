import pytest


def check(m):
    inner, local = m.make(0)
    more = m.more(0)
    report = yield
    # Constants follow. What has to be evaluated belongs to calls that are over.
    assert inner() == (0, 2, [], "d", (1, 2), -5)
    assert (local.method(), more()) == ((0, 2), (0, None, None))
    assert m.make(1)[0]() == (1, 2, [1], "d", (1, 3), -5)
    assert report.stale == []
    yield
    assert inner(1) == (0, 1, [], "d", (1, 2), -6)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        inner()
