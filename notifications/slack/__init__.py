"""Slack notifications: composing messages and calling the Web API."""
