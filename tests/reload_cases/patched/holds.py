import hotpatch


def check(m):
    f = m.f
    around = hotpatch.hotpatch(lambda original, x: ("around", original(x)), f, how="around")
    replaced = hotpatch.hotpatch(lambda x: "replaced", f, order=1)
    yield
    assert f(1) == "replaced"
    replaced.undo()
    assert f(1) == ("around", ("new", 1))
    around.undo()
    assert f(1) == ("new", 1)
