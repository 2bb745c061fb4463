import json
import subprocess

from tests.support.baton_client import BATON


def phrases(*arguments: str, told: str = "") -> str:
    done = subprocess.run(
        [BATON, "phrases", *arguments], input=told, capture_output=True, text=True, timeout=60, check=True
    )
    assert not done.stderr
    return done.stdout


def test_a_request_is_told_with_what_speaks_for_it() -> None:
    told = phrases("My bill is wrong. Can you put me through to a real person?")

    assert "asks for a person: “Can you put me through to a real person”" in told
    assert "score" in told
    assert "connect-me-to" in told
    assert "real-person" in told


def test_a_form_that_never_asks_is_told_as_such() -> None:
    told = phrases("do I have to speak to a representative to change my pin?")

    assert "does not ask for a person" in told
    assert "excluded: it asks whether contact is necessary" in told


def test_a_text_may_come_from_standard_input_and_go_out_as_json() -> None:
    told = json.loads(phrases("--json", told="operator pls\n"))

    assert told["asks"] is True
    assert told["words"] == "operator pls"
    assert told["score"] > told["threshold"]
    assert told["reading"] == [{"words": "operator", "as": "agent"}]
    assert told["evidence"]


def test_a_text_in_which_nothing_tells_has_no_score() -> None:
    told = json.loads(phrases("--json", "where is my parcel"))

    assert (told["asks"], told["words"], told["score"], told["reading"]) == (False, None, None, [])
    assert "no clause mentions a person or contact" in phrases("where is my parcel")


def test_a_phrase_of_the_teams_own_is_found_in_any_language() -> None:
    told = json.loads(
        phrases("--json", "--extra", "Anwalt", "--extra", "Mitarbeiter", "ein MITARBEITER bitte")
    )

    assert (told["asks"], told["words"], told["extraPhrase"]) == (True, None, "Mitarbeiter")
    assert "your phrase “Anwalt”" in phrases("--extra", "Anwalt", "anwalt!")
