"""Which callables of the standard library that are written in C can be patched, and which not.

python -m survey                            # print what was found
python -m survey --json 3.13.json           # and write it down
python -m survey.report *.json > docs/survey.md

Each is patched with a function that counts calls, called, and unpatched again.
"""
