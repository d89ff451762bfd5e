from functools import singledispatch, singledispatchmethod


@singledispatch
def show(value):
    return "anything"


@show.register
def _(value: int):
    return "an int"


@show.register
def _(value: str):
    return "a str"


@show.register
def _(value: list):
    return "a list"


class Shower:
    @singledispatchmethod
    def show(self, value):
        return "anything"

    @show.register
    def _(self, value: int):
        return "an int"
