"""Notifications: events become deliveries and attempts over email, Slack and webhooks."""
