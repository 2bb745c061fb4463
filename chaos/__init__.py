"""Fault injection: compares what was received with what was committed. Not installed."""
