LOG = []
LOG.append("first")
A = 1
B = [A]
