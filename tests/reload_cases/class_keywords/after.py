SEEN = []


class Base:
    def __init_subclass__(cls, tag=None, **keywords):
        super().__init_subclass__(**keywords)
        cls.tag = tag
        SEEN.append((cls, tag))


class A(Base, tag=2):
    STATE = []

    def f(self):
        return 2


class Meta(type):
    def __new__(mcls, name, bases, namespace, **keywords):
        cls = super().__new__(mcls, name, bases, namespace)
        cls.keywords = keywords
        return cls

    def __init__(cls, name, bases, namespace, **keywords):
        super().__init__(name, bases, namespace)


class Other(Meta):
    pass


class B(metaclass=Meta, a=2):
    STATE = []

    def f(self):
        return 2, __class__


class C(metaclass=Other):
    pass


class D(metaclass=Meta):
    def f(self):
        return 2


class E(Base, **{"tag": 5}):
    def __class_getitem__(cls, key):
        return cls, key
