import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.quoted_text import strip_quoted_text

_ASK = "let me talk to a human"


@pytest.mark.parametrize(
    "quoted",
    [
        f"> {_ASK}",
        f"  > {_ASK}",
        f">> {_ASK}",
        f"＞ {_ASK}",
        f"&gt; {_ASK}",
        f"[Assistant]: {_ASK}",
        f"[assistant] {_ASK}",
        f"**[Assistant]:** {_ASK}",
        f"[10:31 AM] [Bot]: {_ASK}",
        f"[Agent]: {_ASK}",
        f"[Assistant]: You can say:\n- {_ASK}\n  1. or {_ASK}",
        f"Assistant: {_ASK}\nUser: where is my parcel",
        f"10:31 Support (Maria): {_ASK}\n10:32 Me: where is my parcel",
        f"-----Original Message-----\n{_ASK}",
        f"----- Original Message -----\nFrom: Support\nSubject: {_ASK}",
        f"________________________________\nFrom: Support\nSent: Monday\nTo: Jane\nSubject: Hi\n\n{_ASK}",
        f"---------- Forwarded message ---------\n{_ASK}",
        f"Begin forwarded message:\n\n{_ASK}",
        f"##- Please type your reply above this line -##\n{_ASK}",
        f"On Mon, 3 Mar 2025 at 10:12, Support <help@shop.example> wrote:\n\n{_ASK}",
        f"On Mon, 3 Mar 2025 at 10:12, Support\n<help@shop.example>\nwrote:\n{_ASK}",
        f"On Monday Support wrote:\n> {_ASK}",
        f"Support <help@shop.example> wrote on 3.3.2025:\n{_ASK}",
        f"From: Support\nSent: Monday\nTo: Jane\nSubject: Hi\n\n{_ASK}",
        f"*From:* Support <help@shop.example>\n*Date:* Monday\n*To:* Jane\n\n{_ASK}",
        f"From: Support Sent: Monday To: Jane Subject: Hi\n{_ASK}",
        f"-----Ursprüngliche Nachricht-----\n{_ASK}",
        f"Am 03.03.2025 um 10:12 schrieb Support:\n{_ASK}",
        f"Von: Support\nGesendet: Montag\nAn: Jane\nBetreff: Hallo\n\n{_ASK}",
        f"Le lun. 3 mars 2025 à 10:12, Support <aide@shop.example> a écrit :\n{_ASK}",
        f"De : Support\nEnvoyé : lundi\nÀ : Jane\nObjet : Bonjour\n\n{_ASK}",
        f"El lun, 3 mar 2025 a las 10:12, Soporte escribió:\n{_ASK}",
        f"Il giorno lun 3 mar 2025 alle 10:12 Supporto ha scritto:\n{_ASK}",
        f"Op ma 3 mrt. 2025 om 10:12 schreef Support:\n{_ASK}",
        f"Em seg., 3 de mar. de 2025 às 10:12, Suporte escreveu:\n{_ASK}",
        f"发件人: 客服\n发送时间: 2025年3月3日\n收件人: Jane\n主题: 你好\n\n{_ASK}",
    ],
)
def test_quoted_text_after_own_words_is_removed(quoted: str) -> None:
    own = strip_quoted_text(f"where is my parcel\n{quoted}")

    assert own.startswith("where is my parcel")
    assert "human" not in own


@pytest.mark.parametrize(
    "text",
    [
        "",
        "let me talk to a human",
        "my bill is > 50 euros, let me talk to a human",
        ">:( let me talk to a human",
        ">_< human please",
        "From: London\nTo: Paris\nDate: 3 May\nlet me talk to a human",
        "Bot: get me a human",
        "[User]: I want a human",
        "On the form I wrote: nothing\nlet me talk to a human",
        "this was my original message: let me talk to a human",
        "no bots -- a human -- please",
        "I need three things:\n- a refund\n- a human\n",
        "a\r\nb\u2028c\x85d",
    ],
)
def test_own_words_are_unchanged(text: str) -> None:
    assert strip_quoted_text(text) == text


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("> Anything else?\nyes, a human please", "yes, a human please"),
        ("On Monday Support wrote:\n> Anything else?\n\na human please", "\na human please"),
        ("[Assistant]: Anything else?\na human please", "a human please"),
        ("a human please -----Original Message----- From: Support", "a human please"),
        ("Assistant: Anything else?\nUser: a human please", "User: a human please"),
    ],
)
def test_reply_next_to_quoted_text_is_kept(text: str, own: str) -> None:
    assert strip_quoted_text(text) == own


@given(
    st.lists(
        st.sampled_from([">", "a", " ", "\n", "[Bot]: ", "On ", " wrote:", "From: x@y", "Sent: ", "---"])
    )
)
def test_any_text_keeps_lines_or_their_beginnings(parts: list[str]) -> None:
    text = "".join(parts)
    lines = text.splitlines(keepends=True)

    for line in strip_quoted_text(text).splitlines(keepends=True):
        assert any(original.startswith(line) for original in lines)
