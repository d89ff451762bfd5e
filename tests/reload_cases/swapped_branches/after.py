FLAG = True

if FLAG:
    x = 2

    def f():
        return 2

else:
    x = 1

    def f():
        return 1
