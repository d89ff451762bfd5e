def check(m):
    f = m.f
    error = yield
    assert isinstance(error.__cause__, SyntaxError)
    assert "line 2" in str(error)
    assert f() == 1
    yield
    assert f() == 3
