import json

from tests.support.baton_process import run_baton


def phrases(*arguments: str, stdin: str = "") -> str:
    done = run_baton("phrases", *arguments, typed=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_request_is_printed_with_its_evidence() -> None:
    result = phrases("My bill is wrong. Can you put me through to a real person?")

    assert "asks for a person: “Can you put me through to a real person”" in result
    assert "score" in result
    assert "connect-me-to" in result
    assert "real-person" in result


def test_form_that_never_asks_is_printed_as_excluded() -> None:
    result = phrases("do I have to speak to a representative to change my pin?")

    assert "does not ask for a person" in result
    assert "excluded: it asks whether contact is necessary" in result


def test_text_from_standard_input_is_printed_as_json() -> None:
    result = json.loads(phrases("--json", stdin="operator pls\n"))

    assert result["asks"] is True
    assert result["words"] == "operator pls"
    assert result["score"] > result["threshold"]
    assert result["reading"] == [{"words": "operator", "as": "agent"}]
    assert result["evidence"]


def test_text_without_evidence_has_no_score() -> None:
    result = json.loads(phrases("--json", "where is my parcel"))

    assert (result["asks"], result["words"], result["score"], result["reading"]) == (False, None, None, [])
    assert "no clause mentions a person or contact" in phrases("where is my parcel")


def test_own_phrase_matches_in_any_language() -> None:
    result = json.loads(
        phrases("--json", "--extra", "Anwalt", "--extra", "Mitarbeiter", "ein MITARBEITER bitte")
    )

    assert (result["asks"], result["words"], result["extraPhrase"]) == (True, None, "Mitarbeiter")
    assert "your phrase “Anwalt”" in phrases("--extra", "Anwalt", "anwalt!")
