import copy
import pickle
import typing

NEEDS = ("pydantic",)


def raises(call, **arguments):
    try:
        call(**arguments)
    except ValueError:
        return True
    return False


def subclasses(m):
    # Caches of `typing` keep a model that refers to itself.
    found = m.BaseModel.__subclasses__()
    return [it.__name__ for it in found if it.__name__ != "Node"]


def check(m):
    inner, classes = m.Inner(), (m.Inner, m.Outer, m.Sub, m.Checked)
    sub = m.Sub()
    assert (m.Checked(x=3).x, raises(m.Checked, x=-1)) == (6, True)
    names = subclasses(m)
    report = yield
    assert (report.not_applied, report.stale) == ([], [])
    assert classes == (m.Inner, m.Outer, m.Sub, m.Checked)
    assert [*m.Inner.model_fields] == ["x", "tags"]
    new = m.Inner(tags=["a"])
    assert (new.x, new.tags, type(new) is m.Inner, new.f()) == (5, ["a"], True, m.Inner)
    assert (inner.x, inner.f(), isinstance(inner, m.Inner)) == (1, m.Inner, True)
    assert inner.model_dump() == {"x": 1}
    assert raises(m.Inner, tags=5)
    outer = m.Outer(inner={"tags": ["b"]}, many=[{}])
    assert type(outer.inner) is m.Inner
    assert (outer.inner.tags, outer.many[0].x) == (["b"], 5)
    assert m.Outest(outer={"inner": {"tags": ["c"]}}).outer.inner.tags == ["c"]
    assert m.Sub(y=4).model_dump() == {"x": 5, "tags": [], "y": 5}
    assert (sub.y, sub.f(), isinstance(sub, m.Inner)) == (2, m.Inner, True)
    assert m.Checked(x=-5).x == -14
    node = m.Node(next={"m": 3}, many=[{}])
    assert (node.next.m, type(node.next), type(node.many[0])) == (3, m.Node, m.Node)
    assert pickle.loads(pickle.dumps(new)) == copy.copy(new) == new
    assert vars(pickle.loads(pickle.dumps(inner))) == {"x": 1}
    assert subclasses(m) == names
    assert m.Node in typing.get_args(typing.get_type_hints(m.Node)["next"])
    yield
    # It has failed.
    assert (m.Inner().x, m.Sub(y=4).model_dump()) == (5, {"x": 5, "tags": [], "y": 5})
    assert m.Checked(x=-5).x == -14
    assert m.Outer(inner={"tags": ["b"]}).inner.x == 5
