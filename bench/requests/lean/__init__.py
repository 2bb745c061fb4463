"""The lean servers: asyncpg, raw ASGI and Baton's rules, with as few round trips as Baton's guarantees allow.

They are the bound of what Python can do for three operations. Whatever Baton would do more for another input
ends in an error, so a run cannot measure less than what it names.
"""
