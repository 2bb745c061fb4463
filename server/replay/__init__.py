"""The replay of recorded conversations."""
