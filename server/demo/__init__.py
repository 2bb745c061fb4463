"""The demo: a sample workspace with simulated customers."""
