import copy
import pickle

NEEDS = ("attr",)


def raises(call, *arguments):
    try:
        call(*arguments)
    except ValueError:
        return True
    return False


def check(m):
    import attr

    a, b, cls, other, slotted, old = m.A(1), m.B(1), m.A, m.B, m.Slotted(), m.Slotted
    same, kind, sub, subs = m.Same(), m.Same, m.Sub(1), with_names(m)
    report = yield
    assert (m.A, m.B, m.Same) == (cls, other, kind)
    assert repr(m.A(1)) == "A(x=1, y=2, w=[])"
    assert (repr(m.B(2)), m.B(2) < m.B(3), m.B(2) == m.B(2)) == ("B(x=2, w=4, tags=[])", True, True)
    assert (raises(m.B, 1), raises(m.B, 0)) == (True, False)
    assert (a.f(), b.f(), vars(b), isinstance(b, m.B)) == (2, other, {"x": 1, "tags": []}, True)
    assert [it.name for it in attr.fields(m.B)] == ["x", "w", "tags"]
    assert pickle.loads(pickle.dumps(m.B(5))) == copy.copy(m.B(5)) == m.B(5)
    assert m.Slotted is not old
    assert (slotted.f(), m.Slotted().y) == (2, 2)
    assert (same.f(), same.x, m.Same().x) == (2, 1, 2)
    assert [it.qualname for it in report.stale] == ["Slotted"]
    assert [(it.qualname, it.why) for it in report.not_applied] == [
        ("Sub", "attributes of its base changed, and only its own statement makes them its own")
    ]
    assert (sub.f(), m.Sub(1).z) == (2, 3)
    assert with_names(m) == subs
    yield
    # It has failed.
    assert repr(m.A(1)) == "A(x=1, y=2, w=[])"
    assert (repr(m.B(2)), raises(m.B, 1)) == ("B(x=2, w=4, tags=[])", True)


def with_names(m):
    return [it.__name__ for it in object.__subclasses__() if it.__name__ in ("A", "B")]
