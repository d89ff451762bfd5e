# A line that moves it.

def make(a, b):
    def inner():
        return "new", a

    return inner
