class A:
    x: int = 2

    class In:
        pass

    def f(self, a: "x") -> None:
        return self

    def __init_subclass__(cls):
        cls.made = True

    def __class_getitem__(cls, key):
        return cls, key

    def __new__(cls, *args):
        return super().__new__(cls)


class B:
    pass


class C:
    class In:
        pass
