import functools


def passing(function):
    @functools.wraps(function)
    def call(*arguments):
        return function(*arguments)

    return call


@passing
def f(a: int):
    "one"
    return 1


@passing
def g(a: int):
    "one"
    return 1
