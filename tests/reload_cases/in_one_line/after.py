a = 1; b = 20; d = [lambda: 1 / 0]
class A: x = 1; y = 20; f = lambda self: 1 / 0
