def f(x):
    return x


def g(x):
    yield x
