import enum

BY_NAME = {}
ALL = []
SEEN = set()


class Base:
    def __init_subclass__(cls, **keywords):
        BY_NAME[cls.__name__] = cls
        ALL.append(cls)
        SEEN.add(cls)


class Meta(type):
    def __new__(mcls, name, bases, namespace, **keywords):
        cls = super().__new__(mcls, name, bases, namespace)
        cls.keywords = keywords
        return cls

    def __init__(cls, name, bases, namespace, **keywords):
        super().__init__(name, bases, namespace)


class A(Base, metaclass=Meta, a=2):
    pass


class Root(Base, enum.Enum):
    pass


class E(Root):
    X = 1
    Y = 2
