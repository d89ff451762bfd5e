def f(x):
    return "new", x
