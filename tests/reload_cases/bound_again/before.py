X = ["a"]
X = [it.upper() for it in X]
X += ["end"]
COUNT = []
COUNT.append(1)

class A:
    y = 1
    y = y + 1
