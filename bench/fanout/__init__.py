"""Benchmarks of live delivery next to other servers: `python -m bench.fanout`."""
