"""The section of a failed test's report."""

from pathlib import Path

from tests.support.failure_report import begin_report, circumstances, watch_log

LOG = """{"level":"info","event":"request.served","outcome":"OK"}
{"level":"info","event":"request.served","outcome":"FORBIDDEN"}
{"level":"warning","event":"requests.refused"}
Traceback
"""


def test_report_has_what_went_wrong_since_the_test_began(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    with log.open("ab") as output:
        watch_log(output)
        output.write(LOG.encode())
        output.flush()
        begin_report()
        assert circumstances() == ""
        output.write(LOG.encode())
    _, *expected = LOG.splitlines()
    assert circumstances().splitlines() == [f"serve.log: {line}" for line in expected]
