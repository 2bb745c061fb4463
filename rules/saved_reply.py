"""The rules of saved replies."""

from rules.text import has_invisible, normalize, text_error

REPLIES = 500  # of one workspace
SHORTCUT_LIMIT = 40
TITLE_LIMIT = 200
CONTENT_LIMIT = 5_000


def shortcut_error(shortcut: str) -> str | None:
    """Return why `shortcut` cannot be typed after “/” in a reply box, or None."""
    if error := text_error(shortcut, limit=SHORTCUT_LIMIT):
        return error
    if has_invisible(shortcut):
        return "holds white space or another invisible character; join the words with “-”"
    return "holds “/”, which is not part of the shortcut; leave it out" if "/" in shortcut else None


def search_text(shortcut: str, title: str, content: str) -> str:
    """Return the text in which a search looks for its words."""
    return normalize("\n".join((shortcut, title, content)))
