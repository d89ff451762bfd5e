LIMIT = 5
DOUBLE = LIMIT * 2
NAMES = ("a", DOUBLE)
TEXT = f"<{LIMIT:>2}>"
LIST = [LIMIT]
SET_BY_HAND = LIMIT + 1
CALLED = round(LIMIT)


class Base:
    size = LIMIT
    area = size * DOUBLE


def f(a, b=DOUBLE, *, c=LIMIT + 1):
    return a, b, c


def g(a=DOUBLE):
    return a
