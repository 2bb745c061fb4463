"""Webhook notifications: bodies, schemas, the URL policy and sending."""
