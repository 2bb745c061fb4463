"""
Recognising that a customer asks for a person, and finding a team's own phrases.

Each word of a message becomes a one-letter tag: "can I talk to a human" is `ciTtAM`. A small grammar is
looked for in the tags: a way of asking, an act, a party. What does not ask ("no need to", "do I have to",
"if I want to") is no way of asking, so it never matches. Every repetition is bounded: the time is linear in
the length of the message. The words are English; a team's phrases may be in any language.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

_WORDS = {
    # Parties
    "M": "human humans person",
    "P": "agent agents operator operators representative representatives rep reps csr",
    "Q": "manager managers supervisor supervisors advisor advisors adviser advisers specialist specialists"
    " associate associates consultant consultants technician technicians tech expert experts employee"
    " employees engineer engineers boss founder founders owner ceo colleague colleagues",
    "G": "team teams department departments dept people folks guy guys staff man woman dude lady member"
    " members being beings desk center centre assistant",
    "S": "someone somebody anyone anybody some1 any1 sum1 sumone whoever",
    "1": "one body",
    "K": "customer client account",
    "D": "sales support care billing helpdesk technical",
    "V": "service services",
    "b": "bot bots robot robots chatbot chatbots machine machines computer computers ai",
    "r": "real live actual proper living breathing physical manual genuine true other different better"
    " smarter senior competent qualified",
    # Acts
    "T": "talk speak chat converse complain word tlk tlak takl spk",
    "J": "talking speaking chatting dealing",
    "X": "connect direct transfer forward redirect reroute route switch put pass hand patch",
    "Y": "connected transferred forwarded redirected rerouted patched escalated",
    "E": "escalate",
    "C": "contact reach call ring",
    "O": "touch hold ahold",
    "g": "get give have find send grab fetch",
    "I": "gimme",
    "H": "help assist assistance",
    # What may be handed over, and nouns that make a role a mere attribute: "agent number"
    "U": "conversation case ticket issue matter problem this",
    "N": "number numbers phone line email emails mail address name names hours info information details"
    " detail report id page form resources resource policy pin code fee fees tax order price review",
    # Ways of asking, and their opposites
    "w": "want need wanna wana wnat must gotta wish request demand require",
    "s": "ask asked asking requesting insist looking trying",
    "L": "like love prefer rather",
    "l": "let lemme make",
    "c": "can could may might would cud wud wld",
    "j": "will",
    "q": "how possible able way ways chance option",
    "n": "dont not never cant cannot wont doesnt didnt without shouldnt couldnt wouldnt havent neednt avoid",
    "o": "no",
    "F": "if when whether",
    "R": "hate refuse sick tired",
    "k": "think believe suppose guess feel",
    "d": "do does did should shall",
    # Small words
    "i": "i we id ill im ive wed",
    "m": "me us",
    "y": "you u ya",
    "z": "my our his her their its he she they it",
    "a": "the your ur that these those",
    "A": "a an any some another",
    "W": "who whom thats which",
    "t": "to too 2",
    "h": "with w wit wth",
    "p": "from on in at by for of about regarding",
    "v": "is are am be was",
    "e": "here there available around",
    "f": "just really now actually even still also directly immediately instead right asap today ok okay"
    " yes yeah well sure kindly again simply honestly obviously else over through thru up back as soon"
    " possibly anymore already off lets damn fucking bloody",
    "!": "please pls plz plse",
    "~": "hi hello hey dear sir madam thanks",
    ",": "and but so because cuz cos then or nevermind",
    # Of no use, but one slip away from a word that is
    "x": "accounts associated calls chats clients complaint connects contacts contract employed expect"
    " humane manage managed manages parson persona persons ranch router sneak speaks speaker steak"
    " transfers",
}
_TAGS = {word: tag for tag, words in _WORDS.items() for word in words.split()}
_UNKNOWN = "x"

_TYPO_LENGTHS = range(5, 16)
_TYPO_TAGS = frozenset("MPQSKVTXEC")

_TOKEN = re.compile(r"[^\W_]+(?:['’ʼ`´][^\W_]+)*|[.!?;,]+(?!\S)|\n")

# The grammar, in terms of the tags above; `x` is any other word.
_START, _END = r"(?<![^.?,])", r"(?![^.?,])"  # of a clause
_NOT_MORE = r"(?![NDGVPQMKU])"  # "agent number" is no agent

# A party
_DET = r"(?:1p|Ap)?[Aaf!]{0,3}"
_ROLE = rf"(?:[rDKVMCN]{{0,3}}[PQM][PQMGDVH]{{0,2}}|r[rKM]?[DVGH]{{1,2}}|KV|KD|[DK]D?G|Gpa?D?G){_NOT_MORE}"
_DEPARTMENT = rf"(?:K?D{{1,2}}V?|KV|DV)G?{_NOT_MORE}"
_ANYONE = r"(?:S|A1)"
_PARTY = rf"{_DET}(?:[rx]{{0,2}}(?:{_ROLE}|{_DEPARTMENT}|{_ANYONE})|(?<=[aA])x?G)"

# A way of asking
_I = r"(?<![dcjF])(?<!nk)i"
_WISH = rf"(?:{_I}[fcv!]{{0,3}}|{_START}[f!~o]{{0,3}}c?)(?<!o)"
_ASK = rf"""(?:
    {_START}[f!~o]{{0,4}}                             # talk to ...
    | {_WISH}[wLs](?:yt|Ht)?[f!]?t?[f!]{{0,2}}        # I want (you) to ...
    | {_I}c?gt[f!]?                                   # I have to ...
    | [cn]i[f!]{{0,3}}(?:gt?|v?qt)?[f!]?              # can I ..., can't I ...
    | [Fq]ict?[f!]?                                   # ... if I could ...
    | (?<!n)(?:l[mi]?|Hm)t?[f!]{{0,2}}                # let me ..., help me to ...
    | (?<![no])q(?:[dc]i|pmt|t)[f!]?                  # how do I ..., possible to ...
)"""
_YOU = r"[cjn]y[f!]{0,2}"  # can you ..., why don't you ...

# An act
_TALK = rf"(?:r?T[f!]?[th]|(?<=L)J[th]|g?A[TC][hpt]){_PARTY}|T[f!]?(?:A?{_ROLE}|{_DEPARTMENT}|{_ANYONE})"
_REACH = rf"C[th]?{_DET}r?(?:{_ROLE}|{_DEPARTMENT})|(?:[gv]?pO[th]|gA?Op|gft){_PARTY}"
_OBJECT = r"(?:[mf!]|[Aaz]?[TCU]){0,3}"
_GOAL = rf"{_OBJECT}(?:pO)?p?(?:[th]{_PARTY}|[Aa]?(?:{_ROLE}|{_DEPARTMENT}))"
_MOVE = rf"(?:g?v?[XY]|E){_GOAL}|(?:Xm|[gv]Y|E[Aaz]?U{{1,2}}|(?<=[!yimt])E)[f!]{{0,3}}{_END}"
_OF_USE = r"r?[f!]?(?:p[Aa]?[CN]|pa?D|W|t?[f!]?[TH]|tCm)"  # someone on the line, from sales, to talk to
_SOMEONE = rf"(?:r?Hp)?{_DET}(?:{_ROLE}(?![xr])|{_ANYONE}{_OF_USE})"
_CALLER = rf"""{_DET}(?:(?:{_ROLE}|{_ANYONE})(?:p[Aa]?(?:{_DEPARTMENT}|G))?[tc!f]{{0,2}}[CN]t?m
    |{_ROLE}[tc!f]{{0,2}}Hm)"""
_BRING = rf"[gwX]m?{_SOMEONE}|[gs]{_CALLER}"

_THERE = rf"""(?:ve|dyg){_DET}(?:{_ROLE}(?:e|[f!]|W?ic|t[TH]|(?<!Q){_END})|{_ANYONE}(?:W?ic[f!]?T|tT))
    | (?:v|{_START})A{_ROLE}e"""
_NO_BOT = rf"""(?:n[f!]{{0,2}}(?:[wL]t?f?[TJ][th]|lm[TJ][th]|w)|Rp?t?f?[TJ][th]){_DET}[rx]?b(?!x)
    | {_START}ob[f!]{{0,3}}{_END}"""
_TERSE = rf"""(?<![^.?])(?:[f!,]|o(?=[f!,])){{0,4}}A?
    (?:[rDK]?[VQD]?P[VDG]?[f!,]{{0,4}}(?:\?|(?![^.]))
    |(?:[rDK]{{0,2}}M[PVHGD]?|r[rKQ]?[DV]{{1,2}}|KV|{_ANYONE}pa?{_DEPARTMENT}|(?<=!)r?Q|r?Q!)[f!,]{{0,4}}(?![^.]))
    | ,A?r?[PM]!(?![^.])"""

_REQUEST = re.compile(
    rf"""{_ASK}(?:{_TALK}|{_REACH}|{_MOVE}|{_BRING})
    | {_YOU}(?:{_MOVE}|{_BRING})
    | {_WISH}[wL](?:p?{_SOMEONE}|{_CALLER})           # I need a ..., I want someone to call me
    | (?:(?<![nzdto])gm|I|(?<![no])(?<!nf)[ws]p){_SOMEONE}  # give me a ..., keep asking for a ...
    | (?<![nzdtJo])(?<!dy)X(?=m){_GOAL}               # connect me to ..., wherever it stands
    | (?:c[f!]?|F(?=.{{1,4}}c)|{_START}(?=[^.?,x]{{0,8}}{_END})[f!~]{{0,2}}){_CALLER}
    | {_THERE} | {_NO_BOT} | {_TERSE}""",
    re.VERBOSE,
)
_HINT = re.compile("[MPQSDGVbEXYH1]")


def find_handoff_request(text: str) -> str | None:
    """The words of `text` that ask for a person (as the customer wrote them), or None."""
    tokens = list(_TOKEN.finditer(text))
    tags = "".join([_tag(token[0]) for token in tokens])
    found = _REQUEST.search(tags) if _HINT.search(tags) else None
    if not found:
        return None
    first, last = found.span()
    while tags[first] in ",.?":
        first += 1
    while tags[last - 1] in ",.?":
        last -= 1
    return text[tokens[first].start() : tokens[last - 1].end()]


def find_phrase(text: str, phrases: Iterable[str]) -> str | None:
    """
    The first of a team's own `phrases` that stands in `text`, as the team wrote it, or None.

    Whole words, any case, any language: Unicode's NFKC and case folding, curly apostrophes as straight
    ones, any white space as one space. In scripts without spaces, such as Chinese, Japanese and Thai, a
    phrase may stand anywhere.
    """
    plain_text = _plain(text)
    return next((phrase for phrase in phrases if _stands_in(plain_text, _plain(phrase))), None)


@lru_cache(maxsize=8192)
def _tag(word: str) -> str:
    """The tag of a token: a break is `.`, `,` or `?`, a word's is its class in `_WORDS`, or `x`."""
    if not word[0].isalnum():
        return "?" if "?" in word else "," if word == "," else "."
    plain = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", word).casefold())
    if tag := _TAGS.get(plain):
        return tag
    if len(plain) not in _TYPO_LENGTHS:
        return _UNKNOWN
    return next((_TYPOS[form] for form in _with_one_lost(plain) if form in _TYPOS), _UNKNOWN)


def _with_one_lost(word: str) -> Iterator[str]:
    """
    The word and each form of it with one letter left out, except the first, which is seldom mistyped.

    Words one letter or one transposition apart share a form (the idea of SymSpell, W. Garbe, 2012).
    """
    yield word
    for place in range(1, len(word)):
        yield word[:place] + word[place + 1 :]


_APOSTROPHES = re.compile("['’‘ʼ`´′＇]")
_TYPOS = {
    form: tag
    for word, tag in _TAGS.items()
    if tag in _TYPO_TAGS and len(word) in _TYPO_LENGTHS
    for form in _with_one_lost(word)
}
# Thai, Lao, Burmese, Khmer, kana and Han: scripts that write no space between words.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def _plain(text: str) -> str:
    straight = unicodedata.normalize("NFKC", _APOSTROPHES.sub("'", text))
    return " ".join(unicodedata.normalize("NFKC", straight.casefold()).split())


def _stands_in(text: str, phrase: str) -> bool:
    """Whether a plain phrase stands in a plain text, cut off from its neighbours at both ends."""
    start = text.find(phrase) if phrase else -1
    while start >= 0:
        end = start + len(phrase)
        if _is_cut(text[start - 1 : start], phrase[0]) and _is_cut(phrase[-1], text[end : end + 1]):
            return True
        start = text.find(phrase, start + 1)
    return False


def _is_cut(before: str, after: str) -> bool:
    """Whether a word may end between two characters, either of which may be missing."""
    if not (_is_of_word(before) and _is_of_word(after)):
        return True
    return bool(_SPACELESS.match(before) or _SPACELESS.match(after))


def _is_of_word(character: str) -> bool:
    # Marks count: in Hindi, say, a vowel sign that follows is still the same word.
    return bool(character) and unicodedata.category(character)[0] in "LNM"
