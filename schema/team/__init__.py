"""The workspace, its members, their sessions, and API keys."""
