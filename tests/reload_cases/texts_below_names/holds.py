"""A text below a name is no doc string. A parameter with another name has another annotation."""


def check(subject):
    yield
    assert subject.__doc__ == "The module, edited."
    assert subject.Settings.__doc__ == "The class, edited."
    assert subject.Settings.grow.__annotations__ == {"number": "int", "return": "int"}
