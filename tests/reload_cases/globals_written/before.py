COUNT = 0
GONE = 1


def f():
    global COUNT
    COUNT += 1
