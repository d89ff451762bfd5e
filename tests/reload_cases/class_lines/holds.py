import inspect


def check(m):
    d = m.D()
    yield
    assert d.f() == 2
    assert inspect.getsource(m.A).startswith("class A:\n    def f(self):\n        self.x = self.w")
    assert inspect.getsource(m.B) == "class B:\n    def g(self):\n        self.y = 1\n"
    assert inspect.getsource(m.C) == "@deco\nclass C:\n    z = 1\n"
    if hasattr(m.A, "__firstlineno__"):
        assert [it.__firstlineno__ for it in (m.A, m.A.In, m.B, m.C, m.D)] == [8, 13, 17, 22, 32]
        assert {*m.A.__static_attributes__} == {"x", "w"}
        assert m.B.__static_attributes__ == ("y",)
    yield
    if hasattr(m.A, "__firstlineno__"):
        assert [it.__firstlineno__ for it in (m.A, m.A.In, m.B, m.C, m.D)] == [8, 13, 17, 22, 32]
