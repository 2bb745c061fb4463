"""Signing in by OpenID Connect, if the settings name a provider."""
