class A:
    class B:
        def f(self):
            return __class__

        def g(self):
            return 3
