import functools


def passing(function):
    @functools.wraps(function)
    def call(*arguments):
        return function(*arguments)

    return call


@passing
def f(a: str):
    "two"
    return 2


@passing
def g(a: str):
    "two"
    return 2
