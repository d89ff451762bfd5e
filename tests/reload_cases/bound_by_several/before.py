FLAG = False
f = None


def f():
    return 1


x = 1
y = x
x = 2
z = 1
del z

if FLAG:
    never = 1

    def g():
        return 1

else:

    def h():
        return 1

    def h():
        return 2


class A:
    a = 1
    b = a
    a = 2
