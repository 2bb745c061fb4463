"""Notification channels, webhook endpoints and deliveries."""
