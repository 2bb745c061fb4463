"""Benchmarks: `python -m bench` measures one server and prints a table."""
