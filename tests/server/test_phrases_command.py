import json
import subprocess

from tests.support.baton_client import BATON


def phrases(*arguments: str, given: str = "") -> str:
    done = subprocess.run(
        [BATON, "phrases", *arguments], input=given, capture_output=True, text=True, timeout=60, check=True
    )
    assert not done.stderr
    return done.stdout


def test_a_request_is_told_with_what_speaks_for_it() -> None:
    output = phrases("My bill is wrong. Can you put me through to a real person?")

    assert "asks for a person: “Can you put me through to a real person”" in output
    assert "score" in output
    assert "connect-me-to" in output
    assert "real-person" in output


def test_a_form_that_never_asks_is_told_as_such() -> None:
    output = phrases("do I have to speak to a representative to change my pin?")

    assert "does not ask for a person" in output
    assert "never, as it asks whether one has to" in output


def test_a_text_may_come_from_standard_input_and_go_out_as_json() -> None:
    decision = json.loads(phrases("--json", given="operator pls\n"))

    assert decision["asks"] is True
    assert decision["words"] == "operator pls"
    assert decision["score"] > decision["threshold"]
    assert decision["reading"] == [{"words": "operator", "as": "agent"}]
    assert decision["evidence"]


def test_a_text_in_which_nothing_tells_has_no_score() -> None:
    decision = json.loads(phrases("--json", "where is my parcel"))

    assert (decision["asks"], decision["words"], decision["score"], decision["reading"]) == (
        False,
        None,
        None,
        [],
    )
    assert "nothing in it tells of one" in phrases("where is my parcel")


def test_a_phrase_of_the_teams_own_is_found_in_any_language() -> None:
    decision = json.loads(
        phrases("--json", "--extra", "Anwalt", "--extra", "Mitarbeiter", "ein MITARBEITER bitte")
    )

    assert (decision["asks"], decision["words"], decision["extraPhrase"]) == (True, None, "Mitarbeiter")
    assert "your phrase “Anwalt”" in phrases("--extra", "Anwalt", "anwalt!")
