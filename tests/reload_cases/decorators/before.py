def twice(f):
    def call(x):
        return 2 * f(x)

    return call


CALLS = []


def noted(f):
    CALLS.append(f.__name__)
    return f


@noted
def f(x):
    return x


@twice
def g(x):
    return x
