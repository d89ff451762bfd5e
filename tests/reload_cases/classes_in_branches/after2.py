FLAG = True

if FLAG:
    class A:
        x = 100

        def f(self):
            return 100
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
        x = 200
