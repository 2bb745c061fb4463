"""Breaks everything again and again, and compares what arrived with what was committed. Not installed."""
