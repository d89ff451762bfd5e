def f():
    global COUNT
    COUNT += 1
