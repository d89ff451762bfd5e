def f(a, b=[], c=2, *, d=[]):
    return a, b, c, d
