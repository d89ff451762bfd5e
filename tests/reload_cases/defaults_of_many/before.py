HELD = []
for i in range(2):
    def f(a, b=[]):
        return a, b
    HELD.append(f)

def g(a, b=1):
    return a, b
