"""A message format of the settings (mrkdwn with placeholders) as a `rich_text` block.

mrkdwn has no escape for its marks, so a value such as `*snake_case*` cannot be put into it unchanged. In a
`rich_text` block the values are elements of their own: Slack shows their characters as they are. The marks,
links, mentions and emoji of the format itself, which the team wrote, become styles and elements.

Example: `*Reason:* {reason}` becomes a bold text element “Reason:” and the text elements “ ” and the reason.

https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

from rules.slack_format import CONTROL, PLACEHOLDER

Element = dict[str, Any]

# Times such as 10:30:45 are no emoji.
_EMOJI = re.compile(r":(?=[0-9]*[a-z_+'-])([a-z0-9_+'-]{1,100}):")
_TOKEN = re.compile(rf"{CONTROL.pattern}|{PLACEHOLDER.pattern}|{_EMOJI.pattern}|&(?:amp|lt|gt);|.")
_STYLES = {"*": "bold", "_": "italic", "~": "strike", "`": "code"}
_CODE = "`"  # in it marks have no meaning
_STYLED = ("text", "link", "emoji", "user", "channel", "usergroup")
_QUOTE = re.compile(r"(?:>|&gt;) ?")
_CUT = "…"


@dataclass(frozen=True, slots=True)
class _Atom:
    """A character of the format, or an element that a token of it stands for."""  # prose: ok

    character: str = ""
    element: Element | None = None


def rich_text(
    message_format: str, values: Mapping[str, Element | None], link: str, limit: int
) -> list[Element]:
    """Return the format as a `rich_text` block with its placeholders filled, or nothing if it is empty.

    A line whose placeholders are all without a value is left out. Texts longer than `limit` UTF-16 units
    together are cut visibly.
    """
    parts: list[Element] = []
    for quoted, lines in _grouped(_lines(message_format, values)):
        elements: list[Element] = []
        for number, line in enumerate(lines):
            if number:
                elements.append(text_element("\n"))
            elements += _styled(_atoms(line, values, link), {})
        kind = "rich_text_quote" if quoted else "rich_text_section"
        if elements:
            parts.append({"type": kind, "elements": _merged(elements)})
    parts = _cut(parts, limit)
    shown = any(element.get("text", "x").strip() for part in parts for element in part["elements"])
    return [{"type": "rich_text", "elements": parts}] if shown else []


def text_element(text: str) -> Element:
    """Return an element that shows the text as it is."""
    return {"type": "text", "text": text}


def size(text: str) -> int:
    """Return the length as Slack counts it, in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _lines(message_format: str, values: Mapping[str, Element | None]) -> Iterable[str]:
    for line in message_format.replace("\r", "").split("\n"):
        names = PLACEHOLDER.findall(line)
        if not names or any(values[name] for name in names):
            yield line


def _grouped(lines: Iterable[str]) -> list[tuple[bool, list[str]]]:
    """Group consecutive lines that are quoted, or are not, without the mark of a quote."""
    groups: list[tuple[bool, list[str]]] = []
    for line in lines:
        mark = _QUOTE.match(line)
        if not groups or groups[-1][0] is not bool(mark):
            groups.append((bool(mark), []))
        groups[-1][1].append(line[mark.end() :] if mark else line)
    return groups


def _atoms(line: str, values: Mapping[str, Element | None], link: str) -> list[_Atom]:
    return [atom for match in _TOKEN.finditer(line) if (atom := _atom(match[0], values, link)) is not None]


def _atom(token: str, values: Mapping[str, Element | None], link: str) -> _Atom | None:
    if len(token) == 1:
        return _Atom(token)
    if token.startswith("<"):
        return _Atom(element=_control(token[1:-1], link))
    if token.startswith("{"):
        value = values[token[1:-1]]
        return _Atom(element=value) if value else None
    if emoji := _EMOJI.fullmatch(token):
        return _Atom(element={"type": "emoji", "name": emoji[1]})
    return _Atom(unescape(token))


def _control(content: str, link: str) -> Element:
    """Return the element of a control sequence; rules.slack_format knows no others."""
    target, _, label = content.partition("|")
    if target.startswith("@"):
        return {"type": "user", "user_id": target[1:]}
    if target.startswith("!subteam^"):
        return {"type": "usergroup", "usergroup_id": target.removeprefix("!subteam^")}
    if target.startswith("!"):
        return {"type": "broadcast", "range": target[1:]}
    if target.startswith("#"):
        return {"type": "channel", "channel_id": target[1:]}
    url = unescape(target).replace("{link}", link)
    return {"type": "link", "url": url, **({"text": unescape(label)} if label else {})}


def _styled(atoms: Sequence[_Atom], style: Mapping[str, bool]) -> list[Element]:
    """Turn pairs of marks into styles, as mrkdwn reads them: at the borders of words."""
    elements: list[Element] = []
    index = 0
    while index < len(atoms):
        atom = atoms[index]
        end = _closing_mark(atoms, index)
        if end is not None:
            inner, inner_style = atoms[index + 1 : end], {**style, _STYLES[atom.character]: True}
            if atom.character == _CODE:
                elements += [_element(character, inner_style) for character in inner]
            else:
                elements += _styled(inner, inner_style)
            index = end
        else:
            elements.append(_element(atom, style))
        index += 1
    return elements


def _element(atom: _Atom, style: Mapping[str, bool]) -> Element:
    element = dict(atom.element or text_element(atom.character))
    if style and element["type"] in _STYLED:
        element["style"] = dict(style)
    return element


def _closing_mark(atoms: Sequence[_Atom], start: int) -> int | None:
    """Return the index of the mark that closes the one at `start`, if that opens a style."""
    mark = atoms[start].character
    before = atoms[start - 1].character if start else ""
    if mark not in _STYLES or before.isalnum() or _is_space(atoms, start + 1):
        return None
    for index in range(start + 2, len(atoms)):
        after = atoms[index + 1].character if index + 1 < len(atoms) else ""
        if atoms[index].character == mark and not _is_space(atoms, index - 1) and not after.isalnum():
            return index
    return None


def _is_space(atoms: Sequence[_Atom], index: int) -> bool:
    return index >= len(atoms) or atoms[index].character.isspace()


def _merged(elements: Iterable[Element]) -> list[Element]:
    """Join neighbouring texts of one style."""
    merged: list[Element] = []
    for element in elements:
        last = merged[-1] if merged else None
        if last and element["type"] == last["type"] == "text" and element.get("style") == last.get("style"):
            merged[-1] = {**last, "text": last["text"] + element["text"]}
        else:
            merged.append(element)
    return merged


def _cut(parts: Sequence[Element], limit: int) -> list[Element]:
    """Return as much as fits, with a sign of the cut."""
    if sum(_shown_size(element) for part in parts for element in part["elements"]) <= limit:
        return list(parts)
    cut: list[Element] = []
    space = limit - size(_CUT)
    for part in parts:
        kept: list[Element] = []
        for element in part["elements"]:
            if _shown_size(element) > space:
                text = element["text"] if element["type"] == "text" else ""
                return [*cut, {**part, "elements": [*kept, text_element(cut_text(text, space) + _CUT)]}]
            kept.append(element)
            space -= _shown_size(element)
        cut.append({**part, "elements": kept})
    return cut


def cut_text(text: str, limit: int) -> str:
    """Return as many whole characters of a text as fit into `limit` UTF-16 units."""
    if size(text) <= limit:
        return text
    kept, space = [], limit
    for character in text:
        space -= size(character)
        if space < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip()


def _shown_size(element: Element) -> int:
    return size(str(element.get("text") or element.get("fallback") or element.get("url") or "x"))
