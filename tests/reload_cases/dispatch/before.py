from functools import singledispatch, singledispatchmethod


@singledispatch
def show(value):
    return "something"


@show.register
def _(value: int):
    return "int"


@show.register
def _(value: str):
    return "str"


class Shower:
    @singledispatchmethod
    def show(self, value):
        return "something"

    @show.register
    def _(self, value: int):
        return "int"
