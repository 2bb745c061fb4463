"""Single requests next to other servers: Mercurius, PostGraphile and lean handlers in Python."""
