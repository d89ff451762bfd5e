def f():
    # why
    x = 1

    raise ValueError(x)
