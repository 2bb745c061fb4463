"""The widget on a page: what it shows, conversations that pages start, and signed identities."""
