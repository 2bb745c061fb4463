"""Webhook notifications: payloads, schemas, the URL policy and sending."""
