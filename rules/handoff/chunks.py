"""Read words as chunks: parties ("one of your agents"), actions ("put me through to"), requests ("can I").

Names in capitals are the word classes of `lexicon`; names in small letters are chunks. A word that belongs to
no chunk keeps its class as its name. A worked example, for "Could you put me through to one of your agents?":

1. Words (`tokens`): Could CAN, you YOU, put PUT, me ME, through THROUGH, to TO, one ONE, of OF, your YOUR,
   agents AGENT. The question mark ends the clause (`clauses`).
2. Noun groups: "your agents" becomes `agent`, so the clause reads CAN YOU PUT ME THROUGH TO ONE OF agent.
3. Patterns, the longest first: CAN YOU is `can-you`, PUT ME THROUGH TO is `connect-me-to`, ONE OF agent is
   `agent`. The chunks are `can-you connect-me-to agent`.
4. Score (`model`): the bias, plus the weights of "^ can-you", "can-you connect-me-to", "connect-me-to agent
   $", "with ?", "3 chunks" and further features. The clause asks if the sum exceeds the threshold.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple


class Chunk(NamedTuple):
    """A named group of consecutive tokens of a message, from index `first` to index `last`."""

    name: str
    first: int
    last: int


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


PARTIES = _names(
    "real-person person agent boss expert staff role department branch someone someone-else someone-of-yours"
)
ACTIONS = _names(
    "talk-to TALK talking-to talk-to-me connect-me-to connect-me connect-to be-connected-to escalate call-me"
    " reach reviewed-by take-me-to number-to-reach get help-me take-over handle"
    " MOVE MOVING PUT TAKE HAND BYPASS START"
)
REQUEST_FORMS = _names("i-want want i-asked can-i can-you let-me how-do-i who-can-i is-there")

# Noun groups. The last noun decides the meaning, as always in English: an agent number is a number.

_DETERMINERS = _names("A THE YOUR MY THEY THEM SOME THIS")
_OWNERS, _OTHER_OWNERS = _names("YOUR MY THEY THEM"), _names("MY THEY THEM")
_PEOPLE = _names("HUMAN AGENT ADVISOR BOSS EXPERT STAFF PEOPLE ROLE")
_TEAMS = _names("TEAM HOTLINE SERVICE BRANCH")
_THINGS = _names("THING CASE DIGITS SLOT")
_DESCRIPTIONS = _names("ADJECTIVE HIGHER REAL LANGUAGE")
_NOUNS = (
    _PEOPLE
    | _TEAMS
    | _THINGS
    | _DESCRIPTIONS
    | _names("AREA CUSTOMER PHONE BOT AUTOMATIC RELATIVE OTHER_TRADE MOVES MODE VOICE")
)
_FIELDS = _names("CUSTOMER SERVICE BRANCH PHONE AREA")  # these make a person part of the team: "sales guy"
_SERVED = _names("CUSTOMER SERVICE BRANCH EXPERT LANGUAGE AREA STAFF")  # "customer service", "tech support"
# Verbs that are part of a noun group in "human help", "live chat", "Spanish speaking agent"
_VERBS_TOO = _names("HELP TALK TALKING WORD BODY")
_MAKES_NOUN = _names("REAL HUMAN AGENT CUSTOMER LANGUAGE")
_VERBS_OF_TEAMS = _names("HELP CALL REACH")  # "call center"
_GROUP_STARTS = _DETERMINERS | _NOUNS | _VERBS_OF_TEAMS | {"LETTING"}
_IGNORED = _names("A THE ADJECTIVE")
_BEFORE_A_VERDICT = _names("NOT IS")  # "not helpful" does not deny the words that follow
_MAX_GROUP = 24  # words: a bound on the time for a long run of nouns


def _noun_group(classes: Sequence[str], start: int) -> tuple[str, int] | None:
    """Return the name of the noun group that begins at `start` and its end, or None if none begins there."""
    limit = min(len(classes), start + _MAX_GROUP)
    noun = start
    while noun < limit and noun < start + 3 and classes[noun] in _DETERMINERS:
        noun += 1
    end = noun
    while end < limit and _continues_group(classes, start, noun, end):
        end += 1
    while end > noun and classes[end - 1] in _DESCRIPTIONS:
        end -= 1
    if end == noun:
        return None
    owner = next((name for name in classes[start:noun] if name in _OWNERS), "")
    return _group_name([name for name in classes[noun:end] if name != "ADJECTIVE"], owner), end


def _continues_group(classes: Sequence[str], start: int, noun: int, index: int) -> bool:
    """Return whether the word at `index` belongs to a group: determiners from `start`, nouns from `noun`."""
    name = classes[index]
    following = classes[index + 1] if index + 1 < len(classes) else ""
    if name in _NOUNS:
        is_verb = name == "PHONE" and (following == "ME" or (index == start and following in _DETERMINERS))
        return not is_verb
    if index == noun and name in _VERBS_OF_TEAMS:
        return following in ("TEAM", "DIGITS")
    if name == "LETTING":
        return following == "AGENT"
    if name == "MOVE":
        return index == noun > start and classes[index - 1] == "THE"  # "the transfer"
    if name in _VERBS_TOO:
        is_verb = following == "ME" or (name != "HELP" and following in ("TO", "WITH"))
        return index > noun and classes[index - 1] in _MAKES_NOUN and not is_verb
    return name == "OTHER" and index > start and (following in _PEOPLE or following in _TEAMS)


def _group_name(nouns: Sequence[str], owner: str) -> str:
    """Return the chunk name of a noun group, given its nouns' classes and its owner, if any."""
    head, before = nouns[-1], frozenset(nouns[:-1])
    has_people = not before.isdisjoint(_PEOPLE | _TEAMS | {"REAL", "BOT"})
    if not {"OTHER_TRADE", "LETTING"}.isdisjoint(nouns) or (
        has_people and head in ("THING", "CASE", "DIGITS", "SLOT", "AREA", "PHONE")
    ):
        return "thing"
    if "BOT" in nouns or "AUTOMATIC" in nouns:
        return "bot"
    if "RELATIVE" in nouns and not (head in _TEAMS and before & _SERVED):
        return "their-people"
    if head in _PEOPLE:
        return _owned_people_name(head, before) if owner in _OTHER_OWNERS else _people_name(head, before)
    if head in ("MOVE", "MOVES"):
        return "moves"
    if head in _THINGS or "MODE" in before:
        return {"DIGITS": "number", "SLOT": "slot"}.get(head, "topic")
    if owner in _OTHER_OWNERS:
        return "their-people" if head == "TEAM" else "topic"
    return _team_name(head, before, owner)


def _owned_people_name(head: str, before: frozenset[str]) -> str:
    """Name people with a foreign owner; "my account manager" and "my advisor" still belong to the team."""
    if head == "ADVISOR" or before & (_FIELDS | {"OTHER", "CASE"}):
        return "expert"
    return "their-agent" if head == "AGENT" else "their-people"


def _people_name(head: str, before: frozenset[str]) -> str:
    if head == "BOSS":
        return "boss"
    if before & {"REAL", "HUMAN"}:
        return "real-person"
    if head in ("AGENT", "ADVISOR") or before & (_FIELDS - {"AREA"}):
        return "agent"
    return {"HUMAN": "person", "EXPERT": "expert", "ROLE": "role"}.get(head, "staff")


def _team_name(head: str, before: frozenset[str], owner: str) -> str:
    if before & {"REAL", "HUMAN"}:
        return "real-person"
    if "AGENT" in before:
        return "agent"
    if head == "HOTLINE" or (before if head == "TEAM" else before & _SERVED):
        return "department"
    if owner and head in ("TEAM", "BRANCH"):
        return "department"
    return {"TEAM": "staff", "BRANCH": "branch", "AREA": "area", "VOICE": "voice"}.get(head, "topic")


# Patterns. `[…]` is optional, `a/b` is an alternative. The longest match at a position wins.

PATTERNS = """
someone             SOMEONE | SOME ONE/BODY
someone-else        SOMEONE ELSE | SOME ONE/BODY ELSE
real-person         SOMEONE/someone/someone-else REAL/person/HUMAN | SOMEONE ELSE REAL | REAL ONE
                  | ONE OF real-person | real-person FROM/OF department/branch/area/staff/agent/expert
                  | number FOR person/real-person/someone
boss                SOMEONE/person/staff [WHO/THATS] [IS] FROM/WITH CHARGE | SOME ONE FROM CHARGE
                  | SOMEONE ABOVE YOU | WHO/WHAT IS ABOVE YOU | YOUR HIGHER
                  | HEAD OF/FROM department/staff/branch/area/topic
                  | department/branch/area/staff HEAD
                  | SOMEONE boss | SOMEONE [THROUGH] FROM boss | HIGHER THROUGH | SOMEONE HIGHER [THROUGH]
someone-of-yours    SOMEONE [ELSE] FROM/WITH/OF department/branch/staff/area/agent/expert/topic
                  | SOMEONE FROM/OF YOUR [OTHER] | SOMEONE TO TALK [TO/WITH]
                  | SOMEONE [WHO/THIS/THATS] HANDLE
agent               ONE OF agent/staff/expert/department/boss/YOU | staff OF/FROM staff/department/branch
                  | person/staff/agent FROM/OF department/branch/staff | agent OF area
                  | person/staff/agent/expert OF YOUR
person              ONE OF person | agent WHO TALK
expert              expert FROM/OF department/branch/area
bot                 AUTOMATIC ONE
their-people        person/agent/staff/boss/expert OF MY
THEM                ONE OF THEM
topic               number | slot
thing               number/slot/topic/thing [OF/FOR/FROM/WITH]
                    person/agent/boss/expert/staff/department/real-person
                  | topic/thing TO/FOR REACH/CALL/TALK/TALKING [TO/WITH]
                    person/agent/boss/expert/staff/department/branch/someone
                  | number TO/FOR REACH/CALL/TALK/TALKING [TO/WITH] department/branch
                  | DEAR department/agent/staff/boss
                  | moves TO/WITH person/agent/boss/expert/staff/department/real-person
topic               CONFERENCE CALL/topic

talk-to             TALK [THEY/THIS] [THROUGH] TO/WITH | TALKTO | HAVE WORD/TALK/DISCUSS WITH
                  | HEAR [THEY/THIS] FROM
                  | HAVE/GET [ME] [PHONE/topic] CALL/TALK WITH | DEAL/CONTINUE [FROM] WITH
                  | DISCUSS [THEY/THIS] WITH | DISCUSS TO | [TALK/GET] FROM topic WITH | TALK OF topic TO/WITH
                  | WORD/CALL WITH | REAL TALK WITH | HOP/GET [THROUGH] FROM CALL/topic WITH
                  | DISCUSS topic/area TO/WITH | slot TO/FOR TALK [TO/WITH]
talking-to          TALKING [THEY/THIS] [TO/WITH] | HAVE TO TALK TO
not-talking-to      IM/I [IS] NOT TALKING [THEY/THIS] [TO/WITH]
talk-to-me          TALK/TALKING TO/WITH ME | HAVE TO TALK TO/WITH ME
connect-me-to       MOVE/MOVING/PUT/HAND ME [THROUGH/FROM/OF] [FROM/OF] [TOUCH/REACH] TO/WITH
                  | PUT/GET/TALK ME FROM topic WITH | PUT ME FROM WITH | GET/LET ME THROUGH TO
                  | MOVE/MOVING/TAKE/HAND/PUT THIS/THEY/topic/TALK/WORD/CALL [THROUGH] TO/WITH
                  | MOVE/MOVING/TAKE/HAND/PUT [THROUGH] THIS/MY TALK/WORD/CALL [THROUGH] TO/WITH
                  | MOVE/TAKE/HAND THROUGH THIS/THEY/topic/TALK/WORD/CALL TO/WITH | PUT ME FROM topic FOR
                  | TAKE/GET/SEND ME FROM TOUCH/REACH TO/WITH | TAKE ME FROM WITH
take-me-to          TAKE/GET/SEND ME [THROUGH/FROM/OF] [FROM/OF] TO/WITH
connect-me          MOVE/MOVING ME [THROUGH] | MOVE/MOVING MY/THIS TALK/WORD/CALL [THROUGH]
                  | PUT ME THROUGH | HAND ME [THROUGH]
connect-to          MOVE/TAKE/HAND [THROUGH] TO/WITH | PUT THROUGH TO
be-connected-to     [GET/HAVE/IS] MOVED [THROUGH] [THROUGH] [TO/WITH] | IS/GET PUT THROUGH TO
                  | IS/GET PUT FROM TOUCH WITH | IS/GET PUT FROM TO/WITH | IS/GET HELPED FROM
number-to-reach     number TO/FOR/OTHER REACH/CALL/TALK [TO/WITH]
                  | number TO/FOR GET [FROM] [TOUCH/REACH] [TO/WITH]
                  | number [WHERE/THIS/WHAT/FROM] [WHAT] I CAN [START/GET]
                    REACH/CALL/TALK/GET [TO] [TALK] [TO/WITH]
                  | number FOR REACH/CALL/TALKING [TO/WITH]
                  | WHAT number DO/CAN/WILL I [HAVE/WANT] [TO] REACH/CALL/PRESS [TO/FOR]
                    [TALK/REACH/GET] [THROUGH] [TO/WITH]
                  | WHAT number GET ME [TO] | number WHERE I REACH/CALL/TALK [TO/WITH]
                  | WHAT OTHER/staff/department/topic DO/CAN I REACH/CALL [TO/FOR] [TALK/REACH] [TO/WITH]
escalate            TAKE THIS/THEY/topic/MY [OTHER] FURTHER/HIGHER | TAKE FURTHER/HIGHER
                  | TAKE/WILL [TO] [TAKE] THROUGH YOUR HEAD
                  | TAKE ABOVE YOU/YOUR [HEAD] | ESCALATE [THIS/THEY/ME/topic] [TO]
                  | ESCALATE THIS TALK/WORD/CALL [TO]
call-me             CALL/REACH/PHONE [THROUGH] [TO] ME [THROUGH] | CALLBACK | CALL THROUGH | GET ME CALL/BELL
                  | GET THROUGH TO ME | GET FROM TOUCH WITH ME | WRITE ME [THROUGH]
                  | IS/GET CALLED [THROUGH] | HOP [THROUGH] FROM CALL/topic | CALL/BELL ME FROM
reach               MOVING THROUGH TO | MOVING TOUCH OF | MOVING FROM TOUCH/REACH WITH | PHONE
                  | [GET/HAVE/IS] FROM TOUCH/REACH [TO/WITH] | [GET/HAVE] TOUCH OF
                  | GET [THROUGH] TO | REACH/CALL [THROUGH] [TO/WITH]
get                 GET [ME/FOR] | WHAT DO/CAN I OTHER TO GET
                  | CONFERENCE FROM | GETME | SEND ME/FOR | TAKE FROM
help-me             HELP ME
take-over           TAKE THROUGH [THIS/TALK/topic]
reviewed-by         [IS/GET/BEEN] REVIEWED [FROM/WITH] FROM
handle              [HAVE] HANDLE [FROM/THROUGH] [THIS/THEY/topic]

i-want              I/ID/IM/ILL [IS/DO/CAN/WILL] WANT/PREFER/ASK [TO/FOR] | I CAN LIKE/PREFER [TO/FOR]
                  | ID/IDENTITY LIKE/PREFER/WANT [TO/FOR] | I HAVE TO | I/IM WILL HAVE TO
                  | I/IM WILL WANT [TO] | I WANT ASK [TO/FOR] | ILL/ID HAVE [TO] | IM/I [IS] READY [TO/FOR]
                  | MY WANT IS TO | IS LIKE TO | I CAN LIKE ASK [TO/FOR] | ID LIKE ASK [TO/FOR] | IM LIKE TO
                  | i-want want/i-want
want                WANT/PREFER/ASK [TO/FOR] | LIKE TO | CAN LIKE/PREFER [TO] | WANT ASK TO/FOR
i-asked             I [HAVE] [BEEN] ASKED [TO/FOR] | I [HAVE] TOLD YOU | I HAVE/IS BEEN ASK [TO/FOR]
                  | I/IM BEEN ASK [TO/FOR] | IM ASKED [TO/FOR] | I ASKED YOU TO
i-like              I LIKE [TO]
LIKE                MUCH LIKE
PREFER              MUCH PREFER
can-i               CAN/CANT I | DO I HAVE [SOME/NO] WAY/POSSIBLE [OF/TO] | IF I CAN
                  | [I/IM] [IS/HAVE] [BEEN] WONDER IF I CAN
                  | IS THEY/THIS [POSSIBLE] IF I [CAN] | CAN THEY/THIS IS [POSSIBLE] IF I [CAN]
                  | CAN/WILL/DO YOU WONDER IF I [CAN] | WHY CANT/NOT I | WHY CAN I NOT
                  | IS THEY/THERE POSSIBLE [FOR ME] [TO] | CAN THEY IS POSSIBLE [FOR ME] [TO]
                  | IS I POSSIBLE TO | POSSIBLE TO | [IS] [THERE] [SOME/NO] WAY [FOR ME] TO
                  | [IS] [THERE] [SOME/NO] WAY I CAN | [SOME] WAY CAN I | CAN THEY IS TO
                  | CAN THEY IS IF I CAN | IS THEY TO
can-you             CAN/WILL/CANT YOU [WONDER] | [I/IM] [IS] WONDER IF YOU CAN | WHY CANT/NOT YOU | WHY NOT
                  | I WANT/PREFER YOU TO | I CAN LIKE YOU TO | ID LIKE YOU TO
let-me              LET/LETTING ME [TO] | HELP ME TO | GET FOR ME TO
how-do-i            WHAT DO I WANT/HAVE [TO] DO TO | WHAT DO/CAN/WILL I DO TO | WHAT thing DO I PRESS TO
                  | WHAT DO I WANT/HAVE TO SAY/PRESS TO | HOW DO/CAN/WILL/IS I [HAVE/OTHER/POSSIBLE] [TO]
                  | HOW TO | HOW I CAN
                  | WHAT DO I HAVE TO DO TO | WHAT DO I [HAVE TO] SAY/PRESS TO | WHERE DO/CAN I [OTHER] [TO]
                  | WHAT IS WAY TO | HOW DO/CAN YOU/ONE | HOW DO I ASK FOR
who-can-i           WHO DO/CAN I | WHO CAN
is-there            IS [NOT] THERE [NOT/NO] | NOT YOU HAVE | NOT THERE
                  | DO YOU [NOT] HAVE | HAVE YOU GET/HAVE | YOU HAVE
                  | THERE HAVE/WANT/DO/CAN [TO] IS | THERE IS | [I/IM] [IS] WONDER IF THERE IS
                  | [I/IM] [IS] WONDER IF THERES

are-you             IS/NOT YOU/I/THEY/THIS | YOU/IM/THEY/THIS [IS] NOT | I IS NOT | YOU/IM/I/THEY/THIS IS | IM
                  | THATS
did-you             [WHY/IF] DO YOU
have-i-to           DO/WILL/CAN/CANT I HAVE/WANT TO | DO I | IS THEY NECESSARY [FOR ME] [TO]
                  | IS I NECESSARY TO | NECESSARY TO | DO ONE HAVE TO | WANT ONE
i-do-not-want       YOU [DO] NOT WANT/HAVE [TO] | YOU [DO] NOT BOTHER
                  | [I] [DO] NOT WANT/LIKE/PREFER/HAVE/ASK/ASKED [TO/FOR]
                  | [I] [DO] NOT THINK I WANT/HAVE [TO] | I CAN [LIKE/PREFER] NOT [LIKE/PREFER/WANT] [TO]
                  | ID [LIKE/PREFER] NOT [LIKE/PREFER/WANT] [TO] | LIKE/PREFER NOT TO | NO WANT [TO/FOR]
i-cannot            [I] CANT | I CAN NOT
i-will              I WILL [TO] | ILL | I IS WILL TO | IM WILL TO
without             WITHOUT | INSTEAD OF | THAN
not                 NOT [BOTHER] | NOBODY
no                  NO
until               UNTIL [I/IM] [HAVE/CAN]
if                  IF [I] | IF I WANT/HAVE [TO]
tired-of            [I/IM/ID] [IS/HAVE] [HAVE] HATE [OF/WITH/FROM/THROUGH]
says                SAY | LETS ME
past                [HAVE] [BEEN] PAST [TO/WITH] | [HAVE] CALLED
"""
_PART = re.compile(r"\[([^\[\]]+)\]|(\S+)")


def _expand(pattern: str) -> Iterator[list[str]]:
    """Yield the sequences of names that a pattern matches."""
    parts = [
        [*(option.split() for option in (optional or required).split("/")), *([[]] if optional else [])]
        for optional, required in _PART.findall(pattern)
    ]
    for choice in product(*parts):
        yield [name for option in choice for name in option]


def _build_trie(rows: Iterable[str]) -> dict[str, Any]:
    """Return the patterns as a trie of names; the key "" holds the name of the completed chunk.

    Of two rows with the same pattern the first counts.
    """
    trie: dict[str, Any] = {}
    for row in rows:
        name, patterns = row.split(maxsplit=1)
        for pattern in patterns.split("|"):
            for sequence in _expand(pattern):
                node = trie
                for part in sequence:
                    node = node.setdefault(part, {})
                node.setdefault("", name)
    return trie


_TRIE = _build_trie(row for row in re.sub(r"\n {3,}", " ", PATTERNS).split("\n") if row)


def chunk_words(words: Sequence[tuple[str, int]]) -> list[Chunk]:
    """Return the chunks of words, each given as its class and its index."""
    # Twice, because patterns contain chunks of other patterns: "someone" in "someone real".
    return _apply_patterns(_apply_patterns(_group_nouns(words)))


def _group_nouns(words: Sequence[tuple[str, int]]) -> list[Chunk]:
    """Return the words as chunks, with each noun group as one chunk."""
    classes = [name for name, _ in words]
    chunks: list[Chunk] = []
    index = 0
    while index < len(words):
        group = _noun_group(classes, index) if classes[index] in _GROUP_STARTS else None
        name, end = group or (classes[index], index + 1)
        if name == "ADJECTIVE" and chunks and chunks[-1].name in _BEFORE_A_VERDICT:
            name = "OTHER"
        if name not in _IGNORED:
            chunks.append(Chunk(name, words[index][1], words[end - 1][1]))
        index = end
    return chunks


def _apply_patterns(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return the chunks with the longest pattern at each position merged into one chunk."""
    merged, index = [], 0
    while index < len(chunks):
        name, end = chunks[index].name, index + 1
        node, following = _TRIE.get(name), index + 1
        while node is not None:
            if "" in node:
                name, end = node[""], following
            node = node.get(chunks[following].name) if following < len(chunks) else None
            following += 1
        merged.append(Chunk(name, chunks[index].first, chunks[end - 1].last))
        index = end
    return merged
