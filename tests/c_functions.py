"""Makes builtin functions and methods of every calling convention that CPython knows."""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable
from typing import Any

VARARGS, KEYWORDS, NOARGS, SINGLE, FASTCALL, METHOD = 0x1, 0x2, 0x4, 0x8, 0x80, 0x200
STATIC = 0x20

# Include/methodobject.h, the same in CPython 3.10 to 3.15.
CONVENTIONS = {
    "NOARGS": NOARGS,
    "O": SINGLE,
    "VARARGS": VARARGS,
    "VARARGS|KEYWORDS": VARARGS | KEYWORDS,
    "FASTCALL": FASTCALL,
    "FASTCALL|KEYWORDS": FASTCALL | KEYWORDS,
    "METHOD|FASTCALL|KEYWORDS": METHOD | FASTCALL | KEYWORDS,
}

Body = Callable[..., Any]
Array = ctypes.POINTER(ctypes.py_object)


class Definition(ctypes.Structure):
    """`PyMethodDef`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


kept: list[object] = []


def c_function(body: Body, flags: int) -> Any:
    """Make a C function of a calling convention out of a Python function."""
    pointer, anything = ctypes.c_void_p, ctypes.py_object

    def from_array(array: Any, count: int, names: int | None = None) -> Any:
        keywords = ctypes.cast(names, anything).value if names else ()
        values = [array[index] for index in range(count + len(keywords))]
        return body(*values[:count], **dict(zip(keywords, values[count:], strict=True)))

    if flags & METHOD:
        make = ctypes.PYFUNCTYPE(anything, pointer, pointer, Array, ctypes.c_ssize_t, pointer)
        return make(lambda _, __, array, count, names: from_array(array, count, names))
    if flags & FASTCALL and flags & KEYWORDS:
        make = ctypes.PYFUNCTYPE(anything, pointer, Array, ctypes.c_ssize_t, pointer)
        return make(lambda _, array, count, names: from_array(array, count, names))
    if flags & FASTCALL:
        make = ctypes.PYFUNCTYPE(anything, pointer, Array, ctypes.c_ssize_t)
        return make(lambda _, array, count: from_array(array, count))
    if flags & KEYWORDS:
        make = ctypes.PYFUNCTYPE(anything, pointer, anything, pointer)
        cast = ctypes.cast
        return make(
            lambda _, args, names: body(*args, **(cast(names, anything).value if names else {}))
        )
    if flags & VARARGS:
        return ctypes.PYFUNCTYPE(anything, pointer, anything)(lambda _, args: body(*args))
    if flags & SINGLE:
        return ctypes.PYFUNCTYPE(anything, pointer, anything)(lambda _, value: body(value))
    return ctypes.PYFUNCTYPE(anything, pointer, pointer)(lambda _, __: body())


def define(body: Body, flags: int, name: str, doc: str | None = None) -> Definition:
    """Make a definition with a C function that does what `body` does."""
    function = c_function(body, flags)
    address = ctypes.cast(function, ctypes.c_void_p).value
    definition = Definition(name.encode(), address, flags, doc.encode() if doc else None)
    kept.append((function, definition))
    return definition


def add_method(
    cls: type, definition: Definition, name: str = "method", of_class: bool = False
) -> None:
    """Give `cls` a method, or a class method, as a type written in C has it."""
    new = (
        ctypes.pythonapi.PyDescr_NewClassMethod if of_class else ctypes.pythonapi.PyDescr_NewMethod
    )
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p] * 2
    setattr(cls, name, new(id(cls), ctypes.addressof(definition)))


def builtin(
    body: Body,
    flags: int,
    name: str = "function",
    doc: str | None = None,
    receiver: object = None,
    module: str | None = "c_functions",
) -> types.BuiltinFunctionType:
    """Make a builtin function that does what `body` does."""
    definition = define(body, flags, name, doc)
    new = ctypes.pythonapi.PyCMethod_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p] * 4
    made: types.BuiltinFunctionType = new(
        ctypes.addressof(definition),
        id(receiver) if receiver is not None else None,
        id(module) if module is not None else None,
        id(object) if flags & METHOD else None,
    )
    kept.append((receiver, module))
    return made
