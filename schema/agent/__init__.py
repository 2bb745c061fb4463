"""AI agents and their settings."""
