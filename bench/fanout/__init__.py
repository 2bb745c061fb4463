"""How Baton's subscriptions do beside other servers': `python -m bench.fanout` measures and prints tables."""
