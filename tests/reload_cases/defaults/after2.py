def f(a, b=[], *, c=3, d={}):
    return a, b, c, d
