HELD = []
for i in range(2):
    def f(a, b=[], c=3):
        return a, b, c
    HELD.append(f)

def g(a, new, b=1, *, c=2):
    return a, new, b, c
