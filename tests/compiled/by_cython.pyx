# cython: language_level=3, binding=True
"""What Cython compiles, for tests/test_compiled.py."""

cimport cython


def nothing():
    return "nothing"


def single(value):
    return "single", value


def defaults(first, second="default"):
    return "defaults", first, second


def anything(*arguments, **keywords):
    return "anything", arguments, keywords


cpdef both(value):
    return "both", value


def make(name):
    def inner(value):
        return "inner", name, value

    return inner


def generator(value):
    yield value


async def coroutine(value):
    return "coroutine", value


def fused(cython.numeric value):
    return "fused", value


class Plain:
    def method(self, value):
        return "method", value

    @classmethod
    def by_class(cls, value):
        return "by_class", value

    @staticmethod
    def static(value):
        return "static", value


cdef class Extension:
    def nothing(self):
        return "nothing"

    def single(self, value):
        return "single", value

    def defaults(self, first, second="default"):
        return "defaults", first, second

    def anything(self, *arguments, **keywords):
        return "anything", arguments, keywords

    @classmethod
    def by_class(cls, value):
        return "by_class", value

    @staticmethod
    def static(value):
        return "static", value

    cpdef both(self, value):
        return "both", value


# Calls that Cython compiles, each in a way of its own.
def call_nothing():
    return nothing()


def call_single(value):
    return single(value)


def call_defaults(value):
    return defaults(value, second="given")


def call_method(value, argument):
    return value.single(argument)
