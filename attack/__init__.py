"""Hostile cases against a fresh server, each with a promise and with limits that a watcher measures."""
