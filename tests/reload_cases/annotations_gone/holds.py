import hotpatch


def check(m):
    assert m.A.__annotations__ == {"x": int, "y": str}
    yield
    assert m.A.__annotations__ == {}
    error = yield
    assert isinstance(error, hotpatch.ReloadError)
    assert m.A.__annotations__ == {}
