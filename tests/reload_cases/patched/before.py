def f(x):
    return "old", x
