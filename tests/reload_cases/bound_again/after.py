X = ["b"]
X = [it.upper() for it in X]
X += ["end"]
COUNT = []
COUNT.append(1)

class A:
    y = 10
    y = y + 1
