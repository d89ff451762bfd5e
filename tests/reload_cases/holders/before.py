import functools


class Counted:
    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments):
        return "counted", self.function(*arguments)


def plain(function):
    return function


@plain
def f(x):
    return x


class Holder:
    held = f


def outer():
    held = f
    return lambda: held


inner = outer()
part = functools.partial(f, 1)
listed = [f]
alias = f
