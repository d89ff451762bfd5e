FLAG = True

if FLAG:
    class A:
        x = 1

        def f(self):
            return 1
else:
    class A:
        x = 20
        y = 20

        def f(self):
            return 20

if not FLAG:
    class B:
        x = 10
else:
    class B:
        x = 2
