from typing import Optional

from pydantic import BaseModel, Field, field_validator


class Inner(BaseModel):
    x: int = 5
    tags: list[str] = Field(default_factory=list)

    def f(self):
        return super().__init__ and __class__


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
    n: int = 1
    m: int = 2


class Checked(BaseModel):
    x: int = Field(default=1, gt=-10)

    @field_validator("x")
    @classmethod
    def check(cls, value):
        return value * 3

    @field_validator("x")
    @classmethod
    def more(cls, value):
        return value + 1
