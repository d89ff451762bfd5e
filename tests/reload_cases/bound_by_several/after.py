FLAG = False
f = 0


def f():
    return 1


x = 10
y = x + 1
x = 2
z = 2
w = z
del z

never = 1


def g():
    return 1


def h():
    return 1


class A:
    a = 10
    b = a + 1
    a = 2
