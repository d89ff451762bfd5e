"""A call such as `math.sqrt()` is compiled as the importer would do it."""

from pathlib import Path


def check(subject):
    yield
    fresh = {}
    exec(compile(Path(subject.__file__).read_text(), subject.__file__, "exec"), fresh)
    assert subject.root(3) == 2
    assert subject.root.__code__ == fresh["root"].__code__
