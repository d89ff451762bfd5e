"""Interpreters other than the one that patches: they reach what is not patched."""

import pytest
import script

PRELUDE = """
import sys
import textwrap
from hotpatch import hotpatch

if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters


def create(kind):
    if sys.version_info >= (3, 13):
        return interpreters.create(kind)
    return interpreters.create(isolated=kind == "isolated")


def run(text):
    failed = interpreters.run_string(other, text)
    assert failed is None, failed
"""


def test_builtin_functions_are_not_patched_for_others() -> None:
    """Interpreters that share a GIL share the builtin functions of some modules."""
    output = script.run(
        """
        other = create("legacy")

        text = f"import ctypes; shared = ctypes.cast({id(abs)}, ctypes.py_object).value; print("
        text += "'other', shared(-1), flush=True)"
        with hotpatch(lambda *arguments: "patched", abs):
            print("main", abs(-1), flush=True)
            run(text)
            print("main", abs(-1), flush=True)
        interpreters.destroy(other)
        """,
        PRELUDE,
    )
    assert output == "main patched\nother 1\nmain patched\n"


def test_others_call_what_somebody_put_there_between_two_patches() -> None:
    output = script.run(
        """
        import ctypes

        other = create("legacy")

        # PyCFunctionObject: head, definition, and after three more the entry.
        word, head = ctypes.sizeof(ctypes.c_void_p), object.__basicsize__

        def fields(function):
            return [ctypes.c_void_p.from_address(id(function) + head + i * word) for i in (0, 4)]

        def patched():
            with hotpatch(lambda *arguments: "patched", abs):
                run(text)
                print("main", abs(-1), flush=True)

        text = f"import ctypes; shared = ctypes.cast({id(abs)}, ctypes.py_object).value; "
        text += "print('other', shared(-1), flush=True)"
        patched()
        own = [field.value for field in fields(abs)]
        for field, value in zip(fields(abs), fields(id)):
            field.value = value.value
        assert abs(own) == id(own)
        text = text.replace("print('other', shared(-1),", "print('other', shared(-1) == id(-1),")
        patched()
        assert abs(own) == id(own)
        for field, value in zip(fields(abs), own):
            field.value = value
        text = text.replace(" == id(-1)", "")
        patched()
        interpreters.destroy(other)
        """,
        PRELUDE,
    )
    expected = ["1", "True", "1"]
    assert output == "".join(f"other {value}\nmain patched\n" for value in expected)


def test_what_others_call_is_kept_until_the_call_ends() -> None:
    """It is given up when the patch is undone, and a call can give the GIL away before that."""
    output = script.run(
        """
        import gc
        import os
        import threading

        other = create("legacy")
        has_begun, may_end = os.pipe(), os.pipe()
        text = f'''
        import ctypes, os
        class Number:
            def __abs__(self):
                os.write({has_begun[1]}, b".")
                os.read({may_end[0]}, 1)
                return "done"
        shared = ctypes.cast({id(abs)}, ctypes.py_object).value
        assert shared(Number()) == "done"
        '''

        def others():
            found = [it for it in gc.get_objects() if type(it) is type(abs) and it is not abs]
            return sum(it == abs for it in found)

        assert others() == 0
        patch = hotpatch(lambda *arguments: "patched", abs)
        thread = threading.Thread(target=run, args=[textwrap.dedent(text)])
        thread.start()
        os.read(has_begun[0], 1)
        patch.undo()
        gc.collect()
        print(others())
        os.write(may_end[1], b".")
        thread.join()
        print(others())
        interpreters.destroy(other)
        """,
        PRELUDE,
    )
    assert output == "1\n0\n"


def test_interpreters_have_functions_of_their_own_in_most_modules() -> None:
    """Those are called without asking in which interpreter that is (PEP 489)."""
    output = script.run(
        """
        import time

        other = create("legacy")

        with hotpatch(lambda: "patched", time.time):
            print("main", time.time(), flush=True)
            run("import time; print('other', time.time() > 1e9, flush=True)")
            run(f"assert id(time.time) != {id(time.time)}")
        interpreters.destroy(other)
        """,
        PRELUDE,
    )
    assert output == "main patched\nother True\n"


@pytest.mark.parametrize("kind", ["legacy", "isolated"])
def test_methods_are_not_patched_for_others(kind: str) -> None:
    """All share the definitions of the builtin types, with a GIL of their own or without."""
    output = script.run(
        f"""
        other = create({kind!r})

        with hotpatch(lambda self: "patched", str.upper):
            print("main", "text".upper(), flush=True)
            text = "print('other', 'text'.upper(), 'text'.lower(), flush=True)"
            run(text)
            print("main", "text".upper(), flush=True)
        interpreters.destroy(other)
        """,
        PRELUDE,
    )
    assert output == "main patched\nother TEXT text\nmain patched\n"
