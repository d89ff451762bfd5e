"""Released versions of packages that were not written here, one after the other in one process.

`python -m replays` imports the first of some consecutive versions of a package, and then writes the
files of each next one over those that are there and calls `hotpatch.reload()`. After each the
program must be what a fresh process has that imports this version: the same code with the same
lines in every function, the same classes, the same values, and the same results of a workload.
What differs must stand in the report of a reload.

    python -m pip install -r replays/requirements.txt
    python -m replays                   # all of them
    python -m replays click packaging   # two of them

pip downloads the versions once, to ~/.cache/hotpatch/replays.

`subjects.py` says what is replayed, and lists each difference that is known, with the reason.
`versions.py` gets the files; `snapshot.py` writes down what a module is; `workloads/` has what is
run, twice: as a module that is imported after the reload, and as one that was before the first.
`run.py` is one process, with reloads or fresh; `explain.py` compares two. `__main__.py` reports.
"""
