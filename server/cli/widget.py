"""`baton widget`: the lines that put the widget on a page."""

import json

from server.http.widget_files import BUILD_COMMAND, WidgetFiles
from server.settings import Settings
from server.version import VERSION

LOADER = "widget.js"
_AGENT = "agt_…"


class WidgetNotBuiltError(Exception):
    """The files of the widget are missing."""

    def __init__(self) -> None:
        super().__init__(f"The widget is not built: run `{BUILD_COMMAND}` in Baton's folder.")


def widget_lines(settings: Settings, agent: str | None, *, as_json: bool) -> str:
    """Return the script elements for a page, or their parts as JSON; raises WidgetNotBuiltError."""
    integrity = WidgetFiles().integrity(LOADER)
    if integrity is None:
        raise WidgetNotBuiltError
    current, pinned = f"{settings.url}/{LOADER}", f"{settings.url}/widget/{VERSION}/{LOADER}"
    if as_json:
        parts = {"version": VERSION, "url": current, "pinnedUrl": pinned, "integrity": integrity}
        return json.dumps(parts) + "\n"
    attributes = f'data-agent="{agent or _AGENT}"'
    return f"""The newest version, whenever this server is updated:

  <script async src="{current}" {attributes}></script>

This version, {VERSION}, and exactly this file. The element must change with each update of this server:

  <script async src="{pinned}" integrity="{integrity}"
    crossorigin="anonymous" {attributes}></script>

The page's origin must be among widget.allowedOrigins in the settings of the AI agent. Its content security
policy needs {_policy(settings)}
"""


def _policy(settings: Settings) -> str:
    live = settings.url.replace("http", "ws", 1)
    return f"script-src {settings.url}, and connect-src {settings.url} {live}"
