LOG = []
LOG.append("first")
A = 2
LOG.append("new")
B = [A]
C = A
