M = type("M", (), {})()
ALIAS = M


def f(a=M, *, b=M):
    return a is b is M
