import pathlib


def check(m):
    f = m.f
    yield
    assert m.f is f
    assert f() == 3
    assert m.x == 1
    names = {}
    exec(compile(pathlib.Path(m.__file__).read_text(), m.__file__, "exec"), names)
    assert m.g.__code__ == names["g"].__code__
