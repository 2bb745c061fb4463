"""Pages of lists."""

from typing import Any

import strawberry

from resolvers.pagination import Page, PageRequest


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


def page_request(
    first: int | None, after: str | None, last: int | None = None, before: str | None = None
) -> PageRequest:
    """Return the page that the arguments of a field ask for."""
    return PageRequest(first, after, last, before)
