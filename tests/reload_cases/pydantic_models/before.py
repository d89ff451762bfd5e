from typing import Optional

from pydantic import BaseModel, Field, field_validator


class Inner(BaseModel):
    x: int = 1

    def f(self):
        return 1


class Outer(BaseModel):
    inner: Inner
    many: list[Inner] = []


class Outest(BaseModel):
    outer: Optional[Outer] = None


class Sub(Inner):
    y: int = 2

    @field_validator("y")
    @classmethod
    def odd(cls, value):
        return value | 1


class Node(BaseModel):
    next: Optional["Node"] = None
    many: list["Node"] = []
    n: int = 0


class Checked(BaseModel):
    x: int = Field(default=1, gt=0)

    @field_validator("x")
    @classmethod
    def check(cls, value):
        return value * 2
