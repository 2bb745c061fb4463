"""Lists in pages: one connection for all types, over the keyset pagination of the resolvers."""

from typing import Any, Generic, Self, TypeVar

import strawberry
from strawberry.schema.name_converter import NameConverter
from strawberry.types.base import StrawberryObjectDefinition

from resolvers.pagination import Page
from schema.row_fields import needs

T = TypeVar("T")


@strawberry.type
class PageInfo:
    """Position of a page in its list."""

    has_next_page: bool
    """True if there are items after this page."""
    has_previous_page: bool
    """True if there are items before this page."""
    start_cursor: str | None
    """Cursor of the first item; null if the page is empty."""
    end_cursor: str | None
    """Cursor of the last item; null if the page is empty."""

    @classmethod
    def of(cls, page: Page[Any]) -> "PageInfo":
        """Build the information of a page."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        )


@strawberry.type
class Edge(Generic[T]):
    """An item of a list, with its cursor."""

    cursor: str
    """Cursor of the item in this list."""
    node: T
    """The item."""


def _edges(self: "Connection[T]") -> list[Edge[T]]:
    return [Edge(cursor=at, node=node) for at, node in zip(self.page.cursors, self.nodes, strict=True)]


def _page_info(self: "Connection[T]") -> PageInfo:
    return PageInfo.of(self.page)


@strawberry.type
class Connection(Generic[T]):
    """A page of a list."""

    edges: list[Edge[T]] = strawberry.field(
        resolver=_edges, description="Items of the page, with their cursors.", metadata=needs()
    )
    nodes: list[T] = strawberry.field(description="Items of the page.", metadata=needs())
    page: strawberry.Private[Page[Any]]
    page_info: PageInfo = strawberry.field(
        resolver=_page_info, description="Position of the page in the list.", metadata=needs()
    )

    @classmethod
    def build(cls, page: Page[Any], nodes: list[T], **fields: Any) -> Self:
        """Build the connection of a page from the nodes of its rows, with the subclass's own fields."""
        return cls(nodes=nodes, page=page, **fields)


class ConnectionNames(NameConverter):
    """Names of the printed types, where they differ from Strawberry's."""

    def from_generic(self, generic_type: StrawberryObjectDefinition, types: Any) -> str:
        """Return the name of a generic type: MessageEdge, but TimelineEdge for timeline entries."""
        name = super().from_generic(generic_type, types)
        return {"TimelineEntryEdge": "TimelineEdge"}.get(name, name)
