import sys


def check(m):
    class Mine(m.Middle):
        pass

    leaf, middle, base, below = m.Leaf(), m.Middle, m.Base(), m.Below()
    leaf_class, before = m.Leaf, m.Below
    report = yield
    new = m.Below()
    assert (new.x, new.y, new.z, new.f()) == (1, 2, 3, 2)
    assert (m.Laid.__bases__, m.Below.__bases__, m.alias) == ((m.Base,), (m.Laid,), m.Laid)
    assert (below.z, below.f(), type(below), before is m.Below) == (3, 2, before, False)
    assert m.is_laid(m.Laid())
    assert not isinstance(base, m.Base)
    # What CPython lets inherit from another class stays.
    allowed = sys.version_info >= (3, 15)
    assert (m.Middle is middle) == allowed
    assert m.Leaf is leaf_class
    assert (leaf.g(), isinstance(leaf, m.Middle)) == (3, True)
    assert issubclass(Mine, m.Middle)
    assert type(m.OfKind) is m.Meta
    stale = {"Base", "Laid", "Below", "Kind", "OfKind", *(() if allowed else ("Middle",))}
    assert {it.qualname for it in report.stale} == stale
