X = 1
if X:
    B = 1
else:
    B = 2
