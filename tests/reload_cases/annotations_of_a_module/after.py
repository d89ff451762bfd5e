y: int
w: "list" = []
x = 1
