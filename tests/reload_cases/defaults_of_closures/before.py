def make(x):
    def inner(a=1, b=[], *, c="c", d=(1, 2)):
        return x, a, b, c, d

    class Local:
        def method(self, a=1):
            return x, a

    return inner, Local()


def more(x):
    def inner(a, b=1):
        return x, a, b

    return inner
