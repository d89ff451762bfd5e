"""`python -m hotpatch`."""

from hotpatch._cli import main

main()
