def f(a: str, b: int = 3) -> None:
    return a, b
