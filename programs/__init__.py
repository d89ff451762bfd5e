"""Programs that were not written here, with hooks on every function.

`python -m programs` runs rich, click, jinja2, requests and SQLAlchemy as they are, and then with
two hooks on each of their functions and methods: one around it that passes the call on, and one
before it that counts. The results must be the same. Then all hooks are undone in random order, and
the results must be the same once more.

    python -m pip install -r programs/requirements.txt
    python -m programs                # all of them
    python -m programs click jinja2   # two of them

What runs is a workload (`workloads/`), and the tests that a program brings along. Those are in its
source archive, which pip downloads once, to ~/.cache/hotpatch/programs.

`subjects.py` says what is run, and lists each result that has to differ, with the reason.
`hooks.py` finds functions, hooks them and undoes that; `suite.py` runs a program's own tests;
`run.py` does one of these runs, always in a process of its own. `__main__.py` compares.
"""
