"""The rules of Slack settings: message format, channel, mentions and bot token."""

import re
import unicodedata

from rules.text import text_error

FORMAT_LIMIT = 2_000
MENTIONS_LIMIT = 20
CHANNEL_LIMIT = 80

# A line whose placeholders are all empty is left out of the message.
DEFAULT_FORMAT = """\
*Customer:* {customer}
*Reason:* {reason}
*Detail:* {detail}
*Confidence:* {confidence}
*Last message:* {message}
*Assigned to:* {assignee}
*First reply due:* {due}"""

# The placeholders of a format, and their values.
PLACEHOLDERS = {
    "event": "what happened, such as “New escalation”",
    "reason": "why it was raised, such as low_confidence, or the caller's words",
    "detail": "more about it: the topic, the tool, the words that matched",
    "confidence": "of the reply that raised it, such as 35 %",
    "priority": "Low, Medium, High or Urgent",
    "status": "Open, In progress or Resolved",
    "customer": "the customer's name and email address, or id",
    "message": "what the customer said last",
    "assignee": "the team member it is assigned to",
    "created": "when it was raised, in the reader's time zone",
    "due": "when the first reply is due, in the reader's time zone",
    "agent": "the AI agent's name",
    "workspace": "the workspace's name",
    "id": "the escalation's id",
    "link": "the escalation's address; <{link}|some words> makes the words a link",
}

PLACEHOLDER = re.compile(r"\{([^{}\n]*)\}")
# Slack's control sequences. Others are refused, so that no customer's text can form one.
CONTROL = re.compile(r"<[^<>\n]*>")
_KNOWN_CONTROL = re.compile(
    r"<(?:(?:https?://|mailto:)[^\s<>{}|]+|\{link\})(?:\|[^<>{}|\n]+)?>"
    r"|<@[UW][A-Z0-9]{2,30}>|<!subteam\^S[A-Z0-9]{2,30}>|<!(?:here|channel)>|<#[CG][A-Z0-9]{2,30}>"
)
# Ids hold a digit or are long, so USERS, SUPPORT and GENERAL are not ids.
_ID = "(?=[A-Z]*[0-9]|[A-Z]{9})"
_PERSON = re.compile(_ID + "[UW][A-Z0-9]{2,30}")
_GROUP = re.compile(_ID + "S[A-Z0-9]{2,30}")
_EVERYBODY = ("here", "channel")
_CHANNEL_ID = re.compile(_ID + "[CGD][A-Z0-9]{2,30}")
_TOKEN = re.compile(r"xoxb-[A-Za-z0-9_.-]{1,250}")
_CONTROLS = (
    "<https://example.com|words>, <{link}|words>, <@U…>, <!subteam^S…>, <!here>, <!channel> and <#C…>; "
    "{link} is the only placeholder allowed in such a sequence, and only in place of the address"
)
_OTHER_TOKENS = (
    ("xoxe", "is a token that rotates, and would end after some hours; switch token rotation off"),
    ("xoxp-", "is a user's token"),
    ("xapp-", "is an app-level token"),
)


def slack_format_error(text: str) -> str | None:
    """Return why `text` is not a message format, or None.

    A format is Slack's mrkdwn with PLACEHOLDERS in braces; a single brace stays as it is.
    """
    if fault := text_error(text, limit=FORMAT_LIMIT):
        return fault
    for name in PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            allowed = ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS)
            return f"has the unknown placeholder {{{name[:40]}}}; the known ones are {allowed}"
    for control in CONTROL.findall(text):
        if not _KNOWN_CONTROL.fullmatch(control):
            return f"has {control[:80]}, which is none of {_CONTROLS}"
    if "<" in CONTROL.sub("", text):
        return f"has a < that begins none of {_CONTROLS}; write &lt; for the sign itself"
    return None


def mention_error(text: str) -> str | None:
    """Return why `text` is not a mention, or None."""
    if mention_of(text):
        return None
    return (
        "is no Slack user id (U… or W…), no user group id (S…), nor “here” or “channel”; "
        "ids, not names: copy them from the profile in Slack"
    )


def mention_of(text: str) -> str | None:
    """Return Slack's control sequence for a mention of the settings, or None for an invalid one."""
    if text in _EVERYBODY:
        return f"<!{text}>"
    if _PERSON.fullmatch(text):
        return f"<@{text}>"
    return f"<!subteam^{text}>" if _GROUP.fullmatch(text) else None


def channel_error(text: str) -> str | None:
    """Return why `text` is neither a channel id (C…, G… or D…) nor a channel name, or None."""
    if _CHANNEL_ID.fullmatch(text):
        return None
    name = text.removeprefix("#")
    if len(name) > CHANNEL_LIMIT:
        return f"is too long for a channel's name, which has at most {CHANNEL_LIMIT} characters"
    # Letters with their marks, as Slack takes names of every script, and digits.
    kinds = {unicodedata.category(sign)[0] for sign in name if sign not in "-_"}
    if not kinds or kinds - set("LMN") or name != name.lower():
        return (
            "is no channel's id (C…) and no channel's name, which has lower-case letters, digits, "
            "hyphens and underscores, such as #support"
        )
    return None


def channel_in_full(text: str) -> str:
    """Return a channel in Slack's form: an id as it is, a name with its #."""
    return text if _CHANNEL_ID.fullmatch(text) or text.startswith("#") else f"#{text}"


def token_error(text: str) -> str | None:
    """Return why `text` is not a bot token, or None. The message never repeats it."""
    if _TOKEN.fullmatch(text):
        return None
    if not text.isprintable() or " " in text:
        return "has white space or control characters in it; copy only the token"
    for start, fault in _OTHER_TOKENS:
        if text.startswith(start):
            return f"{fault}; the bot's token begins with xoxb-"
    return "does not look like a bot's token, which is xoxb- with letters, digits and hyphens"
