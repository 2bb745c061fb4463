"""Transactions, the event log, wake-ups, the feed, timers and the delivery queue."""
