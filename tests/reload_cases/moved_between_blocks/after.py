X = 1
try:
    B = 2
except ImportError:
    pass
