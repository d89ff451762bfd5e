if False:

    class A:
        x: str = "1"

else:

    class A:
        x: str = "2"

        def f(self):
            return 2
