def make(n, m=1):
    def add(x):
        return x - n - m

    return add
