class A:
    x = 1
    z: float
    1 / 0
