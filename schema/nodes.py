"""Nodes: objects with an id of their own."""

import strawberry


@strawberry.interface
class Node:
    """An object with an id."""

    id: strawberry.ID
    """TypeID: a prefix that names the type, and a UUIDv7."""
