import functools


@functools.lru_cache
def f(x):
    return x, 2


@functools.cache
def other(x):
    return [x]


class A:
    @functools.cached_property
    def p(self):
        return 2
