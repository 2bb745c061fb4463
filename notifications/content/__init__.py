"""Snapshots of a conversation and an escalation for notifications, and the queries that load them."""
