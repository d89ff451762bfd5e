"""A doc string."""

FLAG = True

if FLAG:
    x = 1

    def f():
        return 1

else:
    x = 2

    def f():
        return 2
