"""Texts for customers with placeholders, through the public API."""

from pathlib import Path

import orjson
import pytest

from tests.support.baton_client import Refused, Server, Workspace, inexpensive
from tests.support.conversation_driver import Talk

SETTINGS = (
    "query($id: ID!) { escalationSettings(agentId: $id) { widget { confirmationMessage buttonText } } }"
)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("confirmationMessage", "We answer within {respone_time}."),
        ("confirmationMessage", "We answer within { response_time }."),
        ("confirmationMessage", "We answer within {Response_Time}."),
        ("buttonText", "Ask {agent}"),
    ],
)
def test_unknown_placeholder_is_refused_and_changes_nothing(
    workspace: Workspace, field: str, text: str
) -> None:
    talk = Talk.begin(workspace)
    before = talk.key.ask(SETTINGS, id=talk.agent_id)
    with pytest.raises(Refused) as refused:
        talk.key.settings(talk.agent_id, widget={field: text})
    assert (refused.value.code, refused.value.field) == ("BAD_USER_INPUT", f"input.widget.{field}")
    assert "unknown placeholder" in str(refused.value)
    assert talk.key.ask(SETTINGS, id=talk.agent_id) == before


def test_target_in_business_hours_is_promised_in_working_days(workspace: Workspace) -> None:
    week = [{"day": day, "opens": "00:00", "closes": "08:00"} for day in ("MONDAY", "TUESDAY", "FRIDAY")]
    sla = {"targetResponseMinutes": 1_440, "businessHours": {"timezone": "UTC", "week": week}}
    talk = Talk.begin(workspace, sla=sla)
    talk.key.escalate(talk.id)
    assert talk.notices == [
        "Your request has been escalated to our support team. We typically respond within 3 working days."
    ]


LOCALE_DATA = Path(__file__).parents[2] / "rules/locale_data.json"
WEEK = [
    {"day": day, "opens": "09:00", "closes": "17:00"}
    for day in ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")
]
OFFICE = {"timezone": "Europe/Berlin", "week": WEEK}
# Ranges have thin spaces, and units may have spaces at which no line breaks: as in Unicode CLDR.
LOCALIZED = {
    "de": "15 Minuten | Montag\u2009–\u2009Freitag, 09:00–17:00 Uhr (Europe/Berlin)",
    "fr": "15 minutes | lundi\u2009–\u2009vendredi, 09:00\u2009–\u200917:00 (Europe/Berlin)",
    "ar": "15 دقيقة | الاثنين – الجمعة، 09:00–17:00 (Europe/Berlin)",
    "ja": "15 分 | 月曜日～金曜日 9時00分～17時00分 (Europe/Berlin)",
    "pl": "15 minut | poniedziałek\u2009–\u2009piątek, 09:00–17:00 (Europe/Berlin)",
    "pt-BR": "15 minutos | segunda-feira\u2009–\u2009sexta-feira 09:00\u2009–\u200917:00 (Europe/Berlin)",
    "pt-PT": "15 minutos | segunda-feira\u2009–\u2009sexta-feira, 09:00\u2009–\u200917:00 (Europe/Berlin)",
    "zh-TW": "15 分鐘 | 星期一\u2009–\u2009星期五 09:00 – 17:00 (Europe/Berlin)",
    "fa": "۱۵ دقیقه | دوشنبه تا جمعه،\u200f ۹:۰۰ تا ۱۷:۰۰ (Europe/Berlin)",
}
ENGLISH = "15 minutes | Monday to Friday 09:00 to 17:00 (Europe/Berlin time)"


def confirmation_of(workspace: Workspace, language: str | None, *texts: str, **settings: object) -> str:
    """Return the confirmation in a conversation of `language`, with texts of these languages."""
    template = "{response_time} | {business_hours}"
    widget = {
        "confirmationMessage": template,
        "texts": [{"language": tag, "confirmationMessage": f"{tag}: {template}"} for tag in texts],
    }
    sla = {"targetResponseMinutes": 15, "businessHours": OFFICE, **settings}
    agent = Talk.begin(workspace, widget=widget, sla=sla).agent_id
    talk = Talk(workspace, agent, workspace.key.start(agent, language=language))
    pressed: str = talk.presses()["confirmationMessage"]
    assert talk.notices == [pressed]
    return pressed


@pytest.mark.parametrize("language", LOCALIZED)
def test_placeholders_are_filled_in_the_language_of_the_text(workspace: Workspace, language: str) -> None:
    assert confirmation_of(workspace, language, "it", language) == f"{language}: {LOCALIZED[language]}"


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("de", "de-AT", LOCALIZED["de"]),
        ("DE-de", "de-DE-1996", LOCALIZED["de"]),
        ("pt", "pt-BR", LOCALIZED["pt-BR"]),
        ("pt", "pt-PT", LOCALIZED["pt-BR"]),
        ("de-u-nu-arab", "de-u-nu-arab", LOCALIZED["de"]),
        ("en-GB", "en-GB", ENGLISH),
        ("tlh", "tlh", ENGLISH),
        ("xx-toString", "xx-toString", ENGLISH),
        ("tostring", "toString", ENGLISH),
    ],
)
def test_text_of_another_tag_has_the_words_of_its_language_or_english_ones(
    workspace: Workspace, text: str, language: str, words: str
) -> None:
    assert confirmation_of(workspace, language, text) == f"{text}: {words}"


@pytest.mark.parametrize("language", [None, "fr", "de-AT"])
def test_general_text_stays_english(workspace: Workspace, language: str | None) -> None:
    assert confirmation_of(workspace, language, "pl") == ENGLISH


def test_general_text_stays_english_where_a_language_has_only_other_texts(workspace: Workspace) -> None:
    widget = {
        "confirmationMessage": "Within {response_time}.",
        "texts": [{"language": "de", "greeting": "Hallo"}],
    }
    agent = Talk.begin(workspace, widget=widget).agent_id
    talk = Talk(workspace, agent, workspace.key.start(agent, language="de"))
    assert talk.presses()["confirmationMessage"] == "Within 2 hours."


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (1, "1 minuta"),
        (2, "2 minuty"),
        (5, "5 minut"),
        (12, "12 minut"),
        (22, "22 minuty"),
        (60, "1 godzina"),
        (135, "2 godziny i 15 minut"),
        (480, "1 dzień roboczy"),
        (960, "2 dni robocze"),
        (2_400, "5 dni roboczych"),
    ],
)
def test_duration_has_the_plural_form_of_its_count(workspace: Workspace, minutes: int, words: str) -> None:
    confirmation = confirmation_of(workspace, "pl", "pl", targetResponseMinutes=minutes)
    assert confirmation.startswith(f"pl: {words} | ")


def test_target_is_in_hours_where_a_language_has_no_word_for_working_days(workspace: Workspace) -> None:
    assert confirmation_of(workspace, "de", "de", targetResponseMinutes=960).startswith("de: 2 Arbeitstage |")
    assert confirmation_of(workspace, "hr", "hr", targetResponseMinutes=960).startswith("hr: 16 sati |")


def test_hours_around_the_clock_are_in_the_language_of_the_text(workspace: Workspace) -> None:
    always = {"timezone": "UTC", "week": []}
    confirmation = confirmation_of(workspace, "de", "de", businessHours=always, targetResponseMinutes=1_500)
    assert confirmation == "de: 1 Tag und 1 Stunde | Montag\u2009–\u2009Sonntag, 00:00–24:00 Uhr"


def test_texts_of_a_hundred_languages_cost_little(workspace: Workspace, server: Server) -> None:
    tags = sorted(orjson.loads(LOCALE_DATA.read_bytes())["languages"])[:100]
    with inexpensive(server):
        for tag in (tags[0], tags[-1]):
            assert confirmation_of(workspace, tag, *tags).startswith(f"{tag}: ")
