"""Who must be told outside: events, deliveries, attempts; email, Slack and webhooks."""
