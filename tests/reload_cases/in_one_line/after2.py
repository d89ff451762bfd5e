class A: x = 1; z = 200; f = lambda self: [1 / 0]
a = 1; b = 20; d = 5
