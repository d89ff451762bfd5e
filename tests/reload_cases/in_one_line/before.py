a = 1; b = 2; c = 3
class A: x = 1; y = 2
