FLAG = True

if FLAG:
    class A:
        x = 1

        def f(self):
            return 1
else:
    class A:
        x = 2

        def f(self):
            return 2

if not FLAG:
    class B:
        x = 1
else:
    class B:
        x = 2
