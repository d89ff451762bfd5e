x: int = 1
y: int
z: str
