"""Remove quoted text from a customer message: quoted mail, and transcript lines of an AI or a team.

Only the customer's own words may raise an escalation. Each line is examined a bounded number of times, and
every repetition in a pattern is bounded, so the time is linear in the length of the text.
"""

import re
from collections.abc import Sequence


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


# A line that begins with one of these is quoted, unless it begins with an emoticon such as ">:(".
_QUOTE_PREFIXES = (">", "＞", "&gt;")
_EMOTICON = re.compile(r">\s?[:;=.,_xX-]{1,3}(?:[()|/\\<>\[\]DPpoO3]|$)")

_MAX_HEAD = 300  # characters of a line that introduces a quote
_MAX_HEAD_LINES = 3  # an attribution may be wrapped
_MAX_BLOCK = 8  # lines of a block of mail headers

# A separator: one of these between dashes, or a line that consists of one and a colon
_SEPARATOR = re.compile(
    "original message|forwarded message|above this line"
    "|ursprüngliche nachricht|originalnachricht|original-nachricht|weitergeleitete nachricht"
    "|message d.origine|message original|message transféré|message réexpédié"
    "|mensaje original|mensaje reenviado|messaggio originale|messaggio inoltrato"
    "|mensagem original|mensagem encaminhada|oorspronkelijk bericht|doorgestuurd bericht"
    "|oryginalna wiadomość|wiadomość oryginalna|ursprungligt meddelande|originalmeddelande"
    "|opprinnelig melding"
    "|oprindelig meddelelse|alkuperäinen viesti|původní zpráva|orijinal mesaj|eredeti üzenet"
    "|исходное сообщение|пересылаемое сообщение|оригінальне повідомлення"
    "|原始邮件|原始郵件|转发的邮件|元のメッセージ|転送メッセージ|원본 메시지|원본 메일",
    re.IGNORECASE,
)
_RULES = tuple("-–—_=*#~")

# An attribution, such as "On Monday Jane wrote:". The verb; the words that one begins with; a date or time
_WROTE = re.compile(
    r"\b(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|napisał|skrev|kirjoitti|napsal|írta"
    r"|a scris|yazdı|έγραψε|написал|написав|пишет|писал)|写道|寫道|書きました|のメール|작성|כתב|كتب",
    re.IGNORECASE,
)
_ATTRIBUTION_STARTS = (
    "on ", "am ", "le ", "el ", "il ", "op ", "em ", "den ", "på ", "w dniu ", "dnia ", "dne ", "vào ", "în ",
    "στις ", "в ", "ti ", "ke ", "pe ",
)  # fmt: skip
_DATE = re.compile(r"@|[12]\d{3}|\d{1,2}[:.h/-]\d{2}|\d日")

# Mail headers in the languages of common mail programs, without spaces
_FROM = _names("from von de da van od från fra lähettäjä от від kimden feladó 发件人 寄件者 差出人 보낸사람")
_SENT = _names(
    "sent gesendet envoyé enviado inviato verzonden enviada wysłano wysłane skickat sendt lähetetty"
    " отправлено надіслано gönderildi elküldve odesláno 发送时间 傳送時間 寄件日期 送信日時 보낸날짜"
)
_SUBJECT = _names(
    "subject betreff objet asunto oggetto onderwerp assunto temat ämne emne aihe тема konu tárgy předmět"
    " 主题 主旨 件名 제목"
)
_OTHER_HEADERS = _names(
    "date to cc datum an à para fecha data aan do till til vastaanottaja дата кому kime tarih"
    " 收件人 宛先 日期"
)

# Transcripts: "[Assistant]: …", "Bot: …", "[10:31] Agent (Maria): …"
_LABEL = re.compile(
    r"[\s*_]{0,8}(?:[\[(]?\d[\d:./, -]{2,22}(?:[ap]\.?m\.?)?[\])]?[\s-]{0,3})?"
    r"(?P<open>\[)?(?P<role>[^\W\d_][\w' -]{0,30}?)(?:\s?\([^()]{1,30}\))?"
    r"(?P<close>\])?[*_]{0,2}(?P<colon>\s?[:：])?(?=[*_\s]|$)",
    re.IGNORECASE,
)
_ASSISTANT = frozenset(
    (
        "assistant",
        "ai",
        "ai assistant",
        "virtual assistant",
        "bot",
        "chatbot",
        "chat bot",
        "ai agent",
        "system",
    )
)
_TEAM = _ASSISTANT | frozenset(
    ("agent", "support", "support agent", "customer support", "support team", "customer service", "operator",
     "representative", "advisor", "adviser", "human agent", "live agent", "team")
)  # fmt: skip
_CUSTOMER = frozenset(("user", "customer", "client", "visitor", "guest", "me", "you", "human", "i"))
_CONTINUATION = re.compile(r"\s{2,}\S|\t|\s?(?:[-*•–]|\d{1,2}[.)])\s")


def strip_quoted_text(text: str) -> str:
    """Return the customer's own words in `text`: everything but quoted mail and lines of other speakers.

    Removed are lines that begin with ">", transcript lines of an assistant or agent ("[Assistant]: …"), and
    everything after a separator ("-----Original Message-----"), an attribution ("On … wrote:") or a block of
    mail headers ("From: … Sent: …"). A reply below lines with ">" is kept.
    """
    lines = text.splitlines(keepends=True)
    speakers = [_speaker(line) for line in lines]
    is_transcript = len(lines) - speakers.count(None) > 1
    kept: list[str] = []
    index, in_other_turn = 0, False
    while index < len(lines):
        line = lines[index]
        if head := _quote_head(lines, index):
            before, index = head
            kept.append(before)
            if not _is_marked(lines, index):
                break
            continue
        speaker = speakers[index]
        index += 1
        if speaker is not None:
            in_other_turn = speaker == "assistant" or (is_transcript and speaker == "team")
        elif not _CONTINUATION.match(line):
            in_other_turn = False
        if not in_other_turn and not _is_quoted(line):
            kept.append(line)
    return "".join(kept)


def _is_quoted(line: str) -> bool:
    start = line[:_MAX_HEAD].lstrip()
    return start.startswith(_QUOTE_PREFIXES) and not _EMOTICON.match(start)


def _is_marked(lines: Sequence[str], index: int) -> bool:
    """Return whether the first line with text from `index` begins with ">"; then each quoted line does."""
    following = next((line for line in lines[index : index + _MAX_BLOCK] if line.strip()), "")
    return _is_quoted(following)


def _quote_head(lines: Sequence[str], index: int) -> tuple[str, int] | None:
    """Return the customer's words before a quote head that begins in a line, and the index after the head."""
    line = lines[index]
    if line.isspace():
        return None
    separator = _find_separator(line)
    if separator is not None:
        return line[:separator], index + 1
    if _is_header_block(lines, index):
        return "", index + 1
    end = _attribution_end(lines, index)
    return ("", end) if end else None


def _find_separator(line: str) -> int | None:
    """Return the position of a separator such as "-----Original Message-----" in a line."""
    is_ruled = any(rule * 2 in line for rule in _RULES) or "—" in line
    if not is_ruled and not (len(line) < _MAX_HEAD and line.rstrip().endswith((":", "："))):
        return None
    for match in _SEPARATOR.finditer(line):
        before = line[max(match.start() - 80, 0) : match.start()].rstrip()
        after = line[match.end() : match.end() + 40].strip()
        if before.endswith(_RULES) and (not after or after.startswith(_RULES)):
            return _start_of_rule(line, match.start())
        if match[0].casefold() == "above this line" and after.startswith(_RULES):
            return 0
        if match.start() < 40 and after in (":", "："):
            return 0
    return None


def _start_of_rule(line: str, end: int) -> int:
    """Return the position where the dashes and the words before a separator's name begin."""
    start = end
    while start > 0 and (line[start - 1] in _RULES or line[start - 1] == " "):
        start -= 1
    return start


def _attribution_end(lines: Sequence[str], index: int) -> int | None:
    """Return the index after an attribution ("On … wrote:") that begins in a line, or None."""
    first = lines[index][:_MAX_HEAD].lstrip().casefold()
    is_start = first.startswith(_ATTRIBUTION_STARTS)
    joined = ""
    for end in range(index, min(index + (_MAX_HEAD_LINES if is_start else 1), len(lines))):
        joined += lines[end][: _MAX_HEAD + 1].rstrip() + " "
        if len(joined) > _MAX_HEAD or not lines[end].strip():
            return None
        if joined.rstrip().endswith((":", "：")):
            is_attribution = _WROTE.search(joined) and (is_start or _DATE.search(joined))
            return end + 1 if is_attribution else None
    return None


def _is_header_block(lines: Sequence[str], index: int) -> bool:
    """Return whether a block of mail headers begins in a line; a journey has "From:" and "To:" too."""
    if _header_name(lines[index]) not in _FROM:
        return False
    first = lines[index][:_MAX_HEAD]
    names = {_header_name(line) for line in lines[index + 1 : index + _MAX_BLOCK]}
    names |= {word.strip("*:").casefold() for word in first.split() if word.endswith((":", ":*"))}
    if names & _SENT or names & _SUBJECT:
        return True
    return "@" in first and not names.isdisjoint(_OTHER_HEADERS)


def _header_name(line: str) -> str:
    name, colon, _ = line[:40].replace("：", ":").partition(":")
    return name.replace(" ", "").strip("*_\t").casefold() if colon else ""


def _speaker(line: str) -> str | None:
    """Return "assistant", "team" or "customer" for a transcript line with a label, or None."""
    label = None if line.isspace() else _LABEL.match(line)
    if not label or bool(label["open"]) != bool(label["close"]):
        return None
    role = label["role"].strip().casefold()
    if not label["colon"]:
        return "assistant" if label["open"] and role in _ASSISTANT else None
    if role in _CUSTOMER:
        return "customer"
    if label["open"] and role in _TEAM:
        return "assistant"
    if role in _TEAM or role.endswith((" bot", "bot", " assistant")):
        return "team"
    return None
