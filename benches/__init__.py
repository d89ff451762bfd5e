"""Benchmarks of hotpatch and its peers; `python -m benches` runs them, timing.py has the clock."""
