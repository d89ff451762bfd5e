"""CPython's own tests as a witness.

CPython's regression tests know a great deal about how functions behave. `python -m torture` patches
every Python function of the module that such a test is about, and then runs the test. Each outcome
must be the one that it has with nothing patched. The modes differ in what the patches do:

- `clone`: each function gets a copy of itself, which must change nothing that anybody can see.
- `original`: each function gets `(*args, **kwargs)` and calls its patch's `original`.
- `undone`: each function gets both, and all are undone in random order before the tests run.
- `through`: all C functions and methods of all loaded modules get a function that passes calls on,
  for the subjects that are not about frames.

Tests of the language itself (generators, `super()`) have no module; there the functions of the test
are patched, among them the tests themselves.

    python -m torture                        # everything, with each mode
    python -m torture --short                # a small part of it, in less than a minute
    python -m torture json re --modes clone  # two subjects, one mode

`subjects.py` says what is tested, and lists each function and each test that is left out, with the
reason. `run.py` finds functions, patches them and runs the tests of one subject in one mode, always
in a process of its own; `through.py` is for the last mode. `__main__.py` compares.
"""
