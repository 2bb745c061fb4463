"""
Words read as chunks: parties ("one of your agents"), acts ("put me through to"), ways of asking ("can I").

Names in capitals are the classes of `handoff_lexicon`, names in small letters those of chunks. A word that
is part of no chunk stays by itself, with its class for a name.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple


class Chunk(NamedTuple):
    """The words from number `first` to number `last` of a message, read as one thing."""

    name: str
    first: int
    last: int


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


PARTIES = _names(
    "real-person person agent boss expert staff department branch someone someone-else someone-of-yours"
)
ACTS = _names(
    "talk-to TALK talking-to talk-to-me connect-me-to connect-me connect-to be-connected-to escalate call-me"
    " reach get help-me take-over handle MOVE MOVING PUT TAKE BYPASS START"
)
ASKING = _names("i-want want i-asked can-i can-you let-me how-do-i who-can-i is-there")

# Noun groups. The last noun says what the group is, as always in English: an agent number is a number.

_DETERMINERS = _names("A THE YOUR MY THEY THEM SOME THIS")
_OWNERS, _NOT_OURS = _names("YOUR MY THEY THEM"), _names("MY THEY THEM")
_PEOPLE = _names("HUMAN AGENT ADVISOR BOSS EXPERT STAFF PEOPLE")
_TEAMS = _names("TEAM HOTLINE SERVICE BRANCH")
_THINGS = _names("THING CASE")
_DESCRIPTIONS = _names("ADJECTIVE HIGHER REAL LANGUAGE")
_NOUNS = (
    _PEOPLE
    | _TEAMS
    | _THINGS
    | _DESCRIPTIONS
    | _names("AREA CUSTOMER PHONE BOT AUTOMATIC RELATIVE OTHER_TRADE MOVES MODE")
)
_FIELDS = _names("CUSTOMER SERVICE BRANCH PHONE AREA")  # which make somebody one of the team: "sales guy"
_SERVED = _names("CUSTOMER SERVICE BRANCH EXPERT LANGUAGE AREA STAFF")  # "customer service", "tech support"
# Of a noun group in "human help", "live chat", "Spanish speaking agent"; else verbs
_VERBS_TOO = _names("HELP TALK TALKING WORD BODY")
_MAKES_NOUN = _names("REAL HUMAN AGENT CUSTOMER LANGUAGE")
_VERBS_OF_TEAMS = _names("HELP CALL REACH")  # "call center"
_GROUP_STARTS = _DETERMINERS | _NOUNS | _VERBS_OF_TEAMS | {"LETTING"}
_LEFT_OUT = _names("A THE ADJECTIVE")
_BEFORE_A_VERDICT = _names("NOT IS")  # "not helpful": what follows is not what is denied


def _noun_group(classes: Sequence[str], at: int) -> tuple[str, int] | None:
    """The name of the noun group that begins at a word, and the word behind it; None if none begins there."""
    first = at
    while first < len(classes) and first < at + 3 and classes[first] in _DETERMINERS:
        first += 1
    behind = first
    while behind < len(classes) and _goes_on(classes, at, first, behind):
        behind += 1
    while behind > first and classes[behind - 1] in _DESCRIPTIONS:
        behind -= 1
    if behind == first:
        return None
    owner = next((name for name in classes[at:first] if name in _OWNERS), "")
    return _group_name([name for name in classes[first:behind] if name != "ADJECTIVE"], owner), behind


def _goes_on(classes: Sequence[str], at: int, first: int, place: int) -> bool:
    """Whether a noun group with determiners from `at` and nouns from `first` has the word at `place`."""
    name = classes[place]
    following = classes[place + 1] if place + 1 < len(classes) else ""
    if name in _NOUNS:
        is_verb = name == "PHONE" and (following == "ME" or (place == at and following in _DETERMINERS))
        return not is_verb
    if place == first and name in _VERBS_OF_TEAMS:
        return following == "TEAM"
    if name == "LETTING":
        return following == "AGENT"
    if name == "MOVE":
        return place == first > at and classes[place - 1] == "THE"  # "the transfer"
    if name in _VERBS_TOO:
        is_verb = following == "ME" or (name != "HELP" and following in ("TO", "WITH"))
        return place > first and classes[place - 1] in _MAKES_NOUN and not is_verb
    return name == "OTHER" and place > at and (following in _PEOPLE or following in _TEAMS)


def _group_name(nouns: Sequence[str], owner: str) -> str:
    """What a noun group is, given the classes of its nouns and of the owner before them, if any."""
    head, before = nouns[-1], frozenset(nouns[:-1])
    is_of_people = not before.isdisjoint(_PEOPLE | _TEAMS | {"REAL", "BOT"})
    if not {"OTHER_TRADE", "LETTING"}.isdisjoint(nouns) or (
        is_of_people and head in ("THING", "CASE", "AREA", "PHONE")
    ):
        return "thing"
    if "BOT" in nouns or "AUTOMATIC" in nouns:
        return "bot"
    if "RELATIVE" in nouns:
        return "their-people"
    if head in _PEOPLE:
        return _people_not_ours(head, before) if owner in _NOT_OURS else _people(head, before)
    if head in ("MOVE", "MOVES"):
        return "moves"
    if head in _THINGS or "MODE" in before:
        return "topic"
    if owner in _NOT_OURS:
        return "their-people" if head == "TEAM" else "topic"
    return _team(head, before, owner)


def _people_not_ours(head: str, before: frozenset[str]) -> str:
    """ "My account manager", "my case worker" and "my advisor" are the team's all the same."""
    if head == "ADVISOR" or before & (_FIELDS | {"OTHER", "CASE"}):
        return "expert"
    return "their-agent" if head == "AGENT" else "their-people"


def _people(head: str, before: frozenset[str]) -> str:
    if head == "BOSS":
        return "boss"
    if before & {"REAL", "HUMAN"}:
        return "real-person"
    if head in ("AGENT", "ADVISOR") or before & (_FIELDS - {"AREA"}):
        return "agent"
    return {"HUMAN": "person", "EXPERT": "expert"}.get(head, "staff")


def _team(head: str, before: frozenset[str], owner: str) -> str:
    if before & {"REAL", "HUMAN"}:
        return "real-person"
    if "AGENT" in before:
        return "agent"
    if head == "HOTLINE" or (before if head == "TEAM" else before & _SERVED):
        return "department"
    if owner and head in ("TEAM", "BRANCH"):
        return "department"
    return {"TEAM": "staff", "BRANCH": "branch", "AREA": "area"}.get(head, "topic")


# Phrases. `[…]` may be left out, `a/b` is one or the other. The longest one at a place counts.

PHRASES = """
someone             SOMEONE | SOME ONE/BODY
someone-else        SOMEONE ELSE | SOME ONE/BODY ELSE
real-person         SOMEONE/someone/someone-else REAL/person/HUMAN | SOMEONE ELSE REAL | REAL ONE
                  | ONE OF real-person | real-person FROM/OF department/branch/area
boss                SOMEONE/person/staff [WHO/THATS] [IS] FROM/WITH CHARGE | SOME ONE FROM CHARGE
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
thing               topic/thing [OF/FOR/FROM/WITH] person/agent/boss/expert/staff/department/real-person
                  | topic/thing TO/FOR REACH/CALL/TALK/TALKING [TO/WITH]
                    person/agent/boss/expert/staff/department/branch/someone
                  | DEAR department/agent/staff/boss
                  | moves TO/WITH person/agent/boss/expert/staff/department/real-person
topic               CONFERENCE CALL/topic

talk-to             TALK [THEY/THIS] [THROUGH] TO/WITH | TALKTO | HAVE WORD/TALK/DISCUSS WITH
                  | HEAR [THEY/THIS] FROM
                  | HAVE/GET [ME] [PHONE/topic] CALL/TALK WITH | DEAL/CONTINUE [FROM] WITH
                  | DISCUSS [THEY/THIS] WITH | DISCUSS TO | [TALK/GET] FROM topic WITH | TALK OF topic TO/WITH
                  | WORD/CALL WITH | REAL TALK WITH
talking-to          TALKING [THEY/THIS] [TO/WITH] | HAVE TO TALK TO
not-talking-to      IM/I [IS] NOT TALKING [THEY/THIS] [TO/WITH]
talk-to-me          TALK/TALKING TO/WITH ME
connect-me-to       MOVE/MOVING/PUT/TAKE/GET/SEND ME [THROUGH/FROM/OF] [FROM/OF] [TOUCH/REACH] TO/WITH
                  | PUT/GET/TALK ME FROM topic WITH | PUT ME FROM WITH | GET/LET ME THROUGH TO
                  | MOVE/MOVING/TAKE/PUT THIS/THEY/topic/TALK/WORD/CALL [THROUGH] TO/WITH
                  | MOVE/MOVING/TAKE/PUT [THROUGH] THIS/MY TALK/WORD/CALL [THROUGH] TO/WITH
                  | MOVE/TAKE THROUGH THIS/THEY/topic/TALK/WORD/CALL TO/WITH | PUT ME FROM topic FOR
connect-me          MOVE/MOVING ME [THROUGH] | MOVE/MOVING MY/THIS TALK/WORD/CALL [THROUGH] | PUT ME THROUGH
connect-to          MOVE/TAKE [THROUGH] TO/WITH | PUT THROUGH TO
be-connected-to     [GET/HAVE/IS] MOVED [THROUGH] [THROUGH] [TO/WITH] | IS/GET PUT THROUGH TO
                  | IS/GET PUT FROM TOUCH WITH | IS/GET PUT FROM TO/WITH | IS/GET HELPED FROM
escalate            ESCALATE [THIS/THEY/ME/topic] [TO] | ESCALATE THIS TALK/WORD/CALL [TO]
call-me             CALL/REACH/PHONE [THROUGH] [TO] ME [THROUGH] | CALLBACK | CALL THROUGH | GET ME CALL
                  | GET THROUGH TO ME | GET FROM TOUCH WITH ME | WRITE ME [THROUGH]
                  | IS/GET CALLED [THROUGH]
reach               PHONE | [GET/HAVE/IS] FROM TOUCH/REACH [TO/WITH] | [GET/HAVE] TOUCH OF
                  | GET [THROUGH] TO | REACH/CALL [THROUGH] [TO/WITH]
get                 GET [ME/FOR] | CONFERENCE FROM | GETME | SEND ME/FOR | TAKE FROM
help-me             HELP ME
take-over           TAKE THROUGH [THIS/TALK/topic]
handle              HANDLE [FROM/THROUGH] [THIS/THEY/topic]

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
can-i               CAN/CANT I | IF I CAN | [I/IM] [IS/HAVE] [BEEN] WONDER IF I CAN
                  | IS THEY/THIS [POSSIBLE] IF I [CAN] | CAN THEY/THIS IS [POSSIBLE] IF I [CAN]
                  | CAN/WILL/DO YOU WONDER IF I [CAN] | WHY CANT/NOT I | WHY CAN I NOT
                  | IS THEY/THERE POSSIBLE [FOR ME] [TO] | CAN THEY IS POSSIBLE [FOR ME] [TO]
                  | IS I POSSIBLE TO | POSSIBLE TO | [IS] [THERE] [SOME/NO] WAY [FOR ME] TO
                  | [IS] [THERE] [SOME/NO] WAY I CAN | [SOME] WAY CAN I | CAN THEY IS TO
                  | CAN THEY IS IF I CAN | IS THEY TO
can-you             CAN/WILL/CANT YOU [WONDER] | [I/IM] [IS] WONDER IF YOU CAN | WHY CANT/NOT YOU | WHY NOT
                  | I WANT/PREFER YOU TO | I CAN LIKE YOU TO | ID LIKE YOU TO
let-me              LET/LETTING ME [TO] | HELP ME TO | GET FOR ME TO
how-do-i            HOW DO/CAN/WILL/IS I [HAVE/OTHER/POSSIBLE] [TO] | HOW TO | HOW I CAN
                  | WHAT DO I HAVE TO DO TO | WHAT DO I [HAVE TO] SAY/PRESS TO | WHERE DO/CAN I [OTHER] [TO]
                  | WHAT IS WAY TO | HOW DO/CAN YOU/ONE | HOW DO I ASK FOR
who-can-i           WHO DO/CAN I | WHO CAN
is-there            IS [NOT] THERE [NOT/NO] | NOT THERE | DO YOU [NOT] HAVE | HAVE YOU GET/HAVE | YOU HAVE
                  | THERE HAVE/WANT/DO/CAN [TO] IS | THERE IS | [I/IM] [IS] WONDER IF THERE IS
                  | [I/IM] [IS] WONDER IF THERES

are-you             IS/NOT YOU/I/THEY/THIS | YOU/IM/I/THEY/THIS [IS] NOT | YOU/IM/I/THEY/THIS IS | IM
                  | THATS
did-you             [WHY/IF] DO YOU
have-i-to           DO/WILL/CAN/CANT I HAVE/WANT TO | DO I | IS THEY NECESSARY [FOR ME] [TO]
                  | IS I NECESSARY TO | NECESSARY TO | DO ONE HAVE TO | WANT ONE
i-do-not-want       [I] [DO] NOT WANT/LIKE/PREFER/HAVE/ASK/ASKED [TO/FOR]
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
_CHOICE = re.compile(r"\[([^\[\]]+)\]|(\S+)")


def _expanded(pattern: str) -> Iterator[list[str]]:
    """The sequences of names that a pattern stands for."""
    choices = [
        [*(way.split() for way in (optional or needed).split("/")), *([[]] if optional else [])]
        for optional, needed in _CHOICE.findall(pattern)
    ]
    for chosen in product(*choices):
        yield [name for way in chosen for name in way]


def _tree(rows: Iterable[str]) -> dict[str, Any]:
    """
    What each phrase is read as, as a tree: name by name, and under "" the name of the whole.

    Of two rows with the same phrase the first counts.
    """
    tree: dict[str, Any] = {}
    for row in rows:
        name, patterns = row.split(maxsplit=1)
        for pattern in patterns.split("|"):
            for phrase in _expanded(pattern):
                node = tree
                for part in phrase:
                    node = node.setdefault(part, {})
                node.setdefault("", name)
    return tree


_TREE = _tree(row for row in re.sub(r"\n {3,}", " ", PHRASES).split("\n") if row)


def read_chunks(words: Sequence[tuple[str, int]]) -> list[Chunk]:
    """The chunks of words, each given by its class and its number."""
    # Twice, as phrases are parts of phrases: "someone" of "someone real".
    return _with_phrases(_with_phrases(_with_groups(words)))


def _with_groups(words: Sequence[tuple[str, int]]) -> list[Chunk]:
    classes = [name for name, _ in words]
    found: list[Chunk] = []
    at = 0
    while at < len(words):
        group = _noun_group(classes, at) if classes[at] in _GROUP_STARTS else None
        name, behind = group or (classes[at], at + 1)
        if name == "ADJECTIVE" and found and found[-1].name in _BEFORE_A_VERDICT:
            name = "OTHER"
        if name not in _LEFT_OUT:
            found.append(Chunk(name, words[at][1], words[behind - 1][1]))
        at = behind
    return found


def _with_phrases(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Chunks with the longest phrase that begins at each place read as one."""
    found, at = [], 0
    while at < len(chunks):
        name, behind = chunks[at].name, at + 1
        node, place = _TREE.get(name), at + 1
        while node is not None:
            if "" in node:
                name, behind = node[""], place
            node = node.get(chunks[place].name) if place < len(chunks) else None
            place += 1
        found.append(Chunk(name, chunks[at].first, chunks[behind - 1].last))
        at = behind
    return found
