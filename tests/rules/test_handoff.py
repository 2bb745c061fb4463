import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.handoff import find_handoff_request, find_phrase

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
    "can I ask the support team for an invoice by email?",
    "the app lets me chat with a person but it crashes",
]


@pytest.mark.parametrize("text", ASKING)
def test_a_request_for_a_person_is_found_as_the_customer_wrote_it(text: str) -> None:
    found = find_handoff_request(text)

    assert found
    assert found in text


@pytest.mark.parametrize("text", NOT_ASKING)
def test_what_does_not_ask_for_a_person_is_left_alone(text: str) -> None:
    assert find_handoff_request(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello! Where is it?? Can I talk to a HUMAN, please?", "Can I talk to a HUMAN"),
        ("my card is gone, get me the sales team now", "get me the sales team"),
        ("ＨＵＭＡＮ please", "ＨＵＭＡＮ please"),
    ],
)
def test_only_the_words_that_ask_are_returned(text: str, words: str) -> None:
    assert find_handoff_request(text) == words


@pytest.mark.parametrize(
    "filling", ["agent ", "i want to ", "can you connect me ", "no need ", "a", "?! ", "zzzzz "]
)
def test_long_messages_are_read_to_their_end(filling: str) -> None:
    long = filling * (19_000 // len(filling))

    assert find_handoff_request(long + ". let me talk to a human") is not None


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    found = find_handoff_request(text)

    assert found is None or (found and found in text)


@given(
    st.lists(st.sampled_from([*" ".join(ASKING + NOT_ASKING).split(), ". ", "?", "\n", "’"])).map(" ".join)
)
def test_any_mixture_of_telling_words_is_taken(text: str) -> None:
    found = find_handoff_request(text)

    assert found is None or (found and found in text)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("I want a REFUND now", "refund"),
        ("Ich möchte einen Menschen sprechen!", "Menschen sprechen"),
        ("GROSSE STRASSE", "Große Straße"),
        ("Je veux parler à un humain", "parler à un humain"),
        ("i can’t log in", "can't log in"),
        ("i can't log in", "can’t log in"),
        ("charge \n\t back", "charge back"),
        ("ｒｅｆｕｎｄ", "refund"),
        ("请帮我转人工客服谢谢", "人工客服"),
        ("人間のオペレーターと話したいです", "オペレーターと話したい"),
        ("ｵﾍﾟﾚｰﾀｰ", "オペレーター"),
        ("ขอคุยกับเจ้าหน้าที่หน่อย", "คุยกับเจ้าหน้าที่"),
        ("转agent吧", "agent"),
        ("хочу ОПЕРАТОРА", "оператора"),
        ("मुझे मदद चाहिए", "मदद"),
        ("agents, agent", "agent"),
        ("is it c++?", "C++"),
    ],
)
def test_a_teams_phrase_is_found_and_given_as_the_team_wrote_it(text: str, phrase: str) -> None:
    assert find_phrase(text, [phrase]) == phrase


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("refunded", "refund"),
        ("prerefund", "refund"),
        ("refund_id", "fund"),
        ("l'agence", "agent"),
        ("मददगार", "मदद"),
        ("कि", "क"),
        ("оператором", "оператор"),
        ("anything", ""),
        ("anything", "  "),
        ("", "refund"),
    ],
)
def test_part_of_a_word_is_not_a_phrase(text: str, phrase: str) -> None:
    assert find_phrase(text, [phrase]) is None


def test_the_first_phrase_in_the_teams_order_is_given() -> None:
    assert find_phrase("lawyer and chargeback", ["refund", "Chargeback", "lawyer"]) == "Chargeback"


@given(st.text(), st.lists(st.text()))
def test_any_phrase_is_looked_for(text: str, phrases: list[str]) -> None:
    assert find_phrase(text, phrases) in {None, *phrases}


@given(st.text(min_size=1).filter(str.strip))
def test_a_text_holds_itself(text: str) -> None:
    assert find_phrase(text, [text]) == text
