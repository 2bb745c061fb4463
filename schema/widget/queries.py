"""The query of the widget."""

import strawberry

from resolvers.widget import widget
from rules.typeid import AGENT
from schema.context import Info
from schema.widget.types import Widget


@strawberry.type
class WidgetQuery:
    """The query of a page that shows the widget."""

    @strawberry.field
    async def widget(self, info: Info, agent_id: strawberry.ID, language: str | None = None) -> Widget:
        """Widget of an AI agent, for pages of its allowed origins. Needs no credential."""
        key = info.context.parse_public_id(AGENT, agent_id, "agent_id")
        return Widget.of(await widget(info.context, key, language))
