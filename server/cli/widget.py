"""`baton widget`: the lines that put the widget on a page."""

import json

from rules.typeid import AGENT, MalformedIdError, parse_id
from server.http.widget_files import BUILD_COMMAND, WidgetFiles
from server.settings import Settings
from server.version import VERSION

LOADER = "widget.js"
_AGENT = "agt_…"


class WidgetLinesError(Exception):
    """The lines would not work; the message is for the user."""


def widget_lines(settings: Settings, agent: str | None, *, as_json: bool) -> str:
    """Return the script elements for a page, or their parts as JSON.

    Raises WidgetLinesError for a malformed id of an AI agent, and if the files of the widget are missing.
    """
    if agent is not None:
        try:
            parse_id(AGENT, agent)
        except MalformedIdError as error:
            raise WidgetLinesError(f"--agent {error}.") from None
    integrity = WidgetFiles(settings.web_dir / "widget").integrity(LOADER)
    if integrity is None:
        raise WidgetLinesError(f"The widget is not built: run `{BUILD_COMMAND}` in Baton's folder.")
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
