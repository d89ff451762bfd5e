# A line that moves it.
def make(a, b):
    def inner():
        return a, b

    return inner
