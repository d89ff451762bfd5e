LIMIT = 3


def make(x):
    # A comment.
    def inner(a, b=[1], *, c="d", d=(1, LIMIT), e=-6):
        return x, a, b, c, d, e

    class Local:
        def method(self, a=2):
            return x, a

    return inner, Local()


def more(x):
    def inner(a=None, b=None):
        return x, a, b

    return inner
