from __future__ import annotations


def f(a: int):
    return 1


def g(a: str):
    return 2
