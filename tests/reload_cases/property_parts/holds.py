import pytest


def check(m):
    a, getter = m.A(), m.A.x.fget
    a.x = 5
    report = yield
    assert a.x == 2
    assert m.A.x.fget is getter
    with pytest.raises(AttributeError):
        a.x = 5
    with pytest.raises(KeyError):
        del a.x
    changes = sorted((it.kind, it.qualname) for it in report.changes)
    assert changes == [("deleted", "A.x"), ("updated", "A.x"), ("updated", "A.x")]
    yield
    with pytest.raises(LookupError):
        a.x = 5
    with pytest.raises(KeyError):
        del a.x
