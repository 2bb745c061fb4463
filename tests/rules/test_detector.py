import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.handoff.clauses import split_clauses
from rules.handoff.detector import decide_handoff, find_handoff_request
from rules.handoff.lexicon import WORD_CLASSES
from rules.handoff.tokens import tokenize

ASKING = [
    "operator pls",
    "operator",
    "OPERATOR!!!",
    "human pls",
    "agent!",
    "agent?",
    "live agent please",
    "manager please",
    "please, a human",
    "ok no. human.",
    "a real person please",
    "human being please",
    "customer service rep",
    "someone from billing please",
    "can I get someone on the line",
    "let me speak with ur manager",
    "can u put me thru to an agent",
    "put me through to your manager now",
    "could you connect me with a member of staff?",
    "Would you please transfer me to the billing department",
    "pls transfer me",
    "why don't you just connect me to a person",
    "can't I talk to a human?",
    "why can’t i speak to somebody real",
    "hand me over to a colleague of yours",
    "I'd rather deal with this differently, let me talk to a supervisor",
    "i would prefer speaking to a human",
    "I want to talk to a reprsentative",
    "give me an agnet",
    "humna please",
    "speka to an agent",
    "i need to talk to a pesron",
    "i need to speak w/ somebody",
    "id like to be connected to a specialist",
    "may I please be transferred to an advisor",
    "is there a human I can talk to?",
    "Is there anyone I could speak with?",
    "is a real person available",
    "do you have a live agent?",
    "any human here?",
    "could someone call me back",
    "have someone from sales call me",
    "I need somebody to help me with this mess",
    "get me a human right now",
    "I keep asking for a human!",
    "we want to reach your support team",
    "how do I get in touch with a real person",
    "how can i reach a human",
    "is it possible to chat with an employee",
    "I don't want to talk to a bot",
    "i hate talking to robots",
    "no bots please",
    "I do not want a bot, I want a person",
    "You are useless and I want to speak to a supervisor",
    "you can't help me let me talk to a human",
    "no i want a human",
    "My order 1234 never came. I have asked twice. Let me talk to somebody in charge.",
    "please escalate this ticket",
    "talk to someone who understands refunds",
    "I have to speak with one of your agents",
    "I wonder if I could talk to someone",
    "this is going nowhere gimme an agent",
    "how do I get through to a real human being",
    "i wld like 2 speak 2 a human",
    "I'd like a call from one of your specialists",
    "could I have a word with your supervisor",
    "I have had enough of this machine",
    "hooman plzzzz",
    "pleeease connect me with an ooperator",
    "transfer my call to your retention team",
    "put me on to whoever is in charge of refunds",
    "would you mind handing me over to one of your colleagues?",
    "I want this escalated to a supervisor",
    "is it possible for me to have a chat with somebody from accounts",
    "can you check my bill and put me through to an adviser",
    "I am not happy with what your manager did, get him",
    "the courier was rude, can i talk to someone about it",
    "who can I speak to about a broken door?",
    "no more bots, a person please",
    "need human",
    "customer service!!",
    "ring me back on 555 0142 please",
    "kindly arrange for an agent to call me",
    "I want a hu\u00adman\u200b",
    "I’d like to speak with a técnico or a technician",
    "advisor pls",
    "attendant?",
    "a colleague of yours please",
    "reception desk please",
    "get me your higher-up",
    "get me a real individual",
    "I'd love to hear an actual human voice",
    "bring your supervisor into this",
    "would you mind fetching an agent",
    "just put a human on",
    "hand this chat over to a colleague",
    "please have an adviser phone me",
    "call me back tomorrow evening please",
    "that was not helpful transfer me to a person",
    "this isn't good enough put me through to a supervisor",
    "zero for an operator",
    "give me a person not a form",
    "hav u got sum1 thr i cn tlk to",
    "I'm writing to speak to your complaints team",
    "this dispute needs a human",
    "somebody has to talk to me about this today",
    "could a human read my complaint and reply",
    "let a person decide this one",
    "is it okay if I chat with someone",
    "would it be alright if I spoke to a supervisor",
    "do you mind if I talk to a colleague of yours",
    "I was wondering whether I might speak with an adviser",
    "wondering if there's somebody around I can talk to",
    "I need to talk to my case worker",
    "please put me through to my caseworker",
    "i want an agent straight away",
    "is there an operator free",
    "I would very much like to speak to a person",
    "we'd much rather talk to a human",
    "If I don't get a human soon I'm closing my account",
    "unless I speak to a manager I will complain to the regulator",
    "I won't pay until I've spoken to somebody",
    "what do I have to say to get an agent",
    "arrange for me to speak with an officer",
    "would you mind letting me talk to an agent",
    "I refuse to carry on with this robot",
    "what do I need to do to speak with an agent",
    "I'd rather talk to a human when it is about my mortgage",
    "need help from a human",
    "can I speak with a person instead of an assistant",
    "hello, agent please",
    "can a real person check my phone bill",
    "any chance of talking to an adviser",
    "you can't help, hand me over to a colleague",
    "may I speak to the chef",
    "put me on with the matron",
    "could I talk to a cardiologist on your team",
    "put me through to the head of claims",
    "case officer please",
    "is there a number where I can reach somebody",
    "what is the number to talk to a human",
    "where can I call to speak to an adviser",
    "ring me back please 0800 555 0100",
    "have someone give me a bell about the boiler",
    "can we hop on a call with an engineer",
    "I'd like to schedule a call with your sales team",
    "could I get a callback on Monday",
    "I want to take this further",
    "I will raise this with your manager",
    "who can I complain to about the driver",
    "I'm not going to explain this to a chatbot",
    "what I need is a person",
    "I want to talk to whoever runs this",
    "is a pharmacist available to chat",
    "this is a disgrace. supervisor!",
]

NOT_ASKING = [
    "",
    "...",
    "are you a real person?",
    "am I talking to a human",
    "human?",
    "human or bot?",
    "no need to transfer me",
    "there's no need to connect me to an agent",
    "don't want to talk to an agent",
    "I don't need a human, thanks",
    "I don't think I need an agent",
    "please don't transfer me to anyone",
    "do not connect me to a representative",
    "can I do this without talking to an agent?",
    "do I have to speak to a representative to change my pin?",
    "Do I need to talk to a person for that",
    "should I contact support about it?",
    "if I want to speak to a human, what are your hours?",
    "what is your support phone number",
    "I need your support phone number",
    "what are the opening hours of customer service?",
    "how much is the Real Person perfume",
    "I want the Real Person perfume",
    "I want to order Human Nature by the same author",
    "your policy says that customers can talk to an agent at any time",
    "The terms say a representative will contact me within two days",
    "yesterday I spoke to an agent and she was very kind",
    "I was talking to a supervisor when the line dropped",
    "the agent you sent never arrived",
    "thanks, agent",
    "hi bot",
    "can you talk to me?",
    "transfer money to someone",
    "I want to transfer 50 dollars to another person",
    "I need a manager approval for my expenses",
    "I need human resources forms",
    "I want to talk to my manager about this first",
    "I have no one to talk to",
    "how do I add an agent to my account",
    "how do I become a representative",
    "I want to cancel my contract",
    "table for two people please",
    "do you know other bots",
    "I need help",
    "can you help me",
    "my router cannot connect to the service",
    "how many people work in sales",
    "see agent.com",
    "Why was I transferred to an agent?",
    "did you transfer me to a human?",
    "who is your manager?",
    "can I bring a person with me",
    "I need an operator manual",
    "no humans please",
    "the app lets me chat with a person but it crashes",
    "is there a fee to talk to an agent",
    "you are not a person",
    "I am a real human, not a bot",
    "what does a representative earn",
    "did you put me through to an agent yesterday",
    "I was transferred to four agents already",
    "please stop calling me",
    "don't make me talk to a person",
    "the Agent of Fortune record, is it in stock?",
    "where is my order, agent",
    "someone stole my card",
    "can someone else use my card",
    "call my wife",
    "I want to transfer my savings to another account",
    "move 200 euros to somebody else",
    "put me down for two people",
    "the manual says to contact customer service",
    "a technician comes on monday",
    "I would rather stay with the bot",
    "when does customer service open",
    "the user agent string is wrong",
    "live 1",
    "live 0",
    "message 1",
    "line 2",
    "call 1",
    "one of them is broken",
    "I told the agent that it was lost",
    "am I chatting with a robot",
    "my guest needs a second key",
    "please write me a poem",
    "a higher limit, please",
    "a colleague of mine ordered it",
    "you are not helpful",
    "good evening folks",
    "our letting agent has not replied to anyone",
    "move me to paperless billing please",
    "switch me to annual billing",
    "I want to get out of my contract",
    "the handoff to agent node never fires",
    "how do I turn off transfers to agents",
    "The bot asked me if I'd like to talk to a person",
    "you offered to put me through to an agent last week",
    "let me talk to Siri",
    "an old person's railcard, where do I get one",
    "my caseworker told me to upload it here",
    "what happens if I don't speak to an agent",
    "I can't decide until I talk to my wife",
    "is it okay if I talk to my wife first",
    "this needs a new battery",
    "is the delivery free",
    "does the headset let me speak to someone while gaming",
    "can I call someone abroad with this sim",
    "how do I transfer a call to another person",
    "call me Sam from now on",
    "people call me Sam",
    "call me a taxi",
    "get me a taxi to the station",
    "somebody else may have used my card",
    "speak with a British accent",
    "talk to me in French",
    "hello advisor",
    "good morning agent",
    "hey there support team",
    "you don't need to put me through to a real person",
    "there is no point in calling an agent",
    "remind me to call my manager",
    "how do I let customers speak to an agent",
    "find me a plumber",
    "call me chef",
    "how do I become a midwife",
    "my trainer told me to rest",
    "does an inspector have to come",
    "what is my account number",
    "can I keep my number when I move abroad",
    "someone called me from this number",
    "cancel my callback",
    "the callback url is invalid",
    "no need to ring me back",
    "ask the courier to call me",
    "my head hurts",
    "take me to the next level of the game",
    "raise my credit limit",
    "all I want is a refund",
    "I don't want to type my password again",
    "is my wife available",
    "a webhook callback fails",
    "the person at the box office was rude",
]


@pytest.mark.parametrize("text", ASKING)
def test_request_for_a_person_returns_the_words_of_the_customer(text: str) -> None:
    words = find_handoff_request(text)

    assert words
    assert words in text


@pytest.mark.parametrize("text", NOT_ASKING)
def test_message_without_a_request_returns_none(text: str) -> None:
    assert find_handoff_request(text) is None


@pytest.mark.parametrize("text", ASKING)
def test_request_in_capitals_is_detected(text: str) -> None:
    assert find_handoff_request(text.upper())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello! Where is it?? Can I talk to a HUMAN, please?", "Can I talk to a HUMAN"),
        ("my card is gone, get me the sales team now", "get me the sales team"),
        ("ＨＵＭＡＮ please", "ＨＵＭＡＮ please"),
        ("I am not happy with what your manager did, get him", "get him"),
        ("Nothing works. I'd like an agent to help me", "I'd like an agent to help me"),
    ],
)
def test_request_within_a_message_returns_only_the_asking_words(text: str, words: str) -> None:
    assert find_handoff_request(text) == words


@pytest.mark.parametrize(
    "filling", ["agent ", "i want to ", "can you connect me ", "no need ", "a", "?! ", "zzzzz "]
)
def test_request_at_the_end_of_a_long_message_is_detected(filling: str) -> None:
    long = filling * (19_000 // len(filling))

    assert find_handoff_request(long + ". let me talk to a human") is not None


def test_long_message_is_read_in_part() -> None:
    soup = "can i talk to an agent about it and get a person, " * 2_000

    read = [chunk for clause in split_clauses(tokenize(soup)) for chunk in clause.chunks]

    assert 100 < len(read) < 1_000


@settings(deadline=None)  # see test_linear_time.py
@given(st.text())
def test_any_text_returns_none_or_a_part_of_it(text: str) -> None:
    words = find_handoff_request(text)

    assert words is None or (words and words in text)


_RELEVANT_WORDS = st.sampled_from(
    [
        *" ".join(ASKING + NOT_ASKING).split(),
        *" ".join(WORD_CLASSES.values()).split(),
        ". ",
        "?",
        ",",
        "\n",
        "’",
        "a\u0301",
    ]
)


@settings(deadline=None)
@given(st.lists(_RELEVANT_WORDS, max_size=60).map(" ".join), st.integers(1, 40))
def test_any_mixture_of_known_words_returns_none_or_a_part_of_it(text: str, times: int) -> None:
    words = find_handoff_request(text * times)
    read = [chunk for clause in split_clauses(tokenize(text * times)) for chunk in clause.chunks]

    assert words is None or (words and words in text * times)
    assert len(read) < 1_000


@settings(deadline=None)
@given(st.lists(_RELEVANT_WORDS, max_size=30).map(" ".join))
def test_decision_agrees_with_the_detector(text: str) -> None:
    decision = decide_handoff(text)

    assert decision.words == find_handoff_request(text)
    if decision.words:
        assert decision.score is not None
        assert decision.score > decision.threshold
        assert decision.exclusion is None


def test_decision_contains_chunks_and_evidence() -> None:
    decision = decide_handoff("My bill is wrong. Can I talk to one of your agents?")

    assert decision.words == "Can I talk to one of your agents"
    assert [tuple(part) for part in decision.chunks] == [
        ("Can I", "can-i"),
        ("talk to", "talk-to"),
        ("one of your agents", "agent"),
    ]
    assert any("talk-to" in feature and weight > 0 for feature, weight in decision.evidence)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("are you a real person?", "it asks or states what a party is"),
        ("do I have to speak to a representative to change my pin?", "it asks whether contact is necessary"),
        ("please do not connect me to an agent", "it declines contact"),
        ("the policy says to contact an agent", "it quotes written text"),
        ("send money to a person", "it moves money"),
        ("you asked if I want to talk to an agent", "it reports a question or an offer"),
        ("when I talk to an agent is it recorded", "it states a condition"),
    ],
)
def test_excluded_form_has_a_reason_and_no_words(text: str, why: str) -> None:
    decision = decide_handoff(text)

    assert decision.exclusion == why
    assert decision.words is None
