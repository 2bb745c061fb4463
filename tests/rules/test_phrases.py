import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.handoff.phrases import find_phrase


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
        ("QUIERO HABLAR CON UN TECNICO", "un técnico"),
        ("re\u00adfund\u200b now", "refund"),
        ("je veux un remboursement\u00a0!", "remboursement"),
        ("اُريد مُوَظَّف", "اريد موظف"),
        ("İNSAN istiyorum", "insan"),
        ("is it c++?", "C++"),
    ],
)
def test_phrase_in_any_language_is_returned_as_the_team_wrote_it(text: str, phrase: str) -> None:
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
def test_part_of_a_word_is_no_match(text: str, phrase: str) -> None:
    assert find_phrase(text, [phrase]) is None


def test_several_matches_return_the_first_in_the_order_of_the_team() -> None:
    assert find_phrase("lawyer and chargeback", ["refund", "Chargeback", "lawyer"]) == "Chargeback"


@given(st.text(), st.lists(st.text()))
def test_any_text_and_phrases_return_none_or_a_phrase(text: str, phrases: list[str]) -> None:
    assert find_phrase(text, phrases) in {None, *phrases}


@given(st.text(min_size=1).filter(str.strip))
def test_any_text_contains_itself(text: str) -> None:
    assert find_phrase(text, [text]) == text
