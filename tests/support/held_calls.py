"""Calls of a page that a slow network holds back."""

from playwright.sync_api import Page, Route


class HeldCalls:
    """The calls of mutations whose name begins so, held until they are released."""

    def __init__(self, page: Page, name: str) -> None:
        self.count = 0
        self.held: list[Route] | None = []
        self.start = f"mutation {name}"
        page.route("**/graphql", self._take)

    def _take(self, route: Route) -> None:
        if self.start not in (route.request.post_data or ""):
            route.fallback()
            return
        self.count += 1
        if self.held is None:
            route.fallback()
        else:
            self.held.append(route)

    def release(self) -> None:
        held, self.held = self.held or [], None
        for route in held:
            route.continue_()
