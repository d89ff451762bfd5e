import inspect


def check(m):
    assert inspect.get_annotations(m) == {"x": int, "y": int, "z": str}
    yield
    assert [*inspect.get_annotations(m).items()] == [("y", int), ("w", "list")]
    yield
    assert inspect.get_annotations(m) == {}
    assert "__annotations__" not in vars(m) or not hasattr(m, "__conditional_annotations__")
