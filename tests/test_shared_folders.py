"""Folders whose tests share services, and the process that takes their files."""

import pytest

from tests.support.shared_folders import FOLDERS, SharedFolder, folder_of, next_file

WEB, MORE_WEB = "tests/web/test_list.py", "tests/web/test_layout.py"
MAIL, RULE, MORE = "tests/notifications/test_mail.py", "tests/rules/test_text.py", "tests/server/test_sse.py"


@pytest.mark.parametrize(
    ("files", "folder", "others", "expected"),
    [
        ([RULE, WEB], None, [], RULE),
        ([WEB, RULE], None, [], WEB),
        # It continues with its folder before longer files,
        ([RULE, MAIL, WEB, MORE_WEB], "tests/web", ["tests/notifications"], WEB),
        # and leaves the folders of others to them as long as there is something else.
        ([WEB, MAIL, RULE], None, ["tests/web"], MAIL),
        ([WEB, MAIL, RULE, MORE], "tests/server", ["tests/web", "tests/notifications"], RULE),
        ([WEB, MAIL], None, ["tests/web", "tests/notifications"], WEB),
        ([WEB, RULE], "tests/notifications", ["tests/web"], RULE),
    ],
)
def test_process_continues_with_its_folder_and_leaves_those_of_others(
    files: list[str], folder: str | None, others: list[str], expected: str
) -> None:
    assert next_file(files, folder, others) == expected


def test_tests_of_a_shared_folder_are_in_one_package(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        packages = [node.nodeid for node in item.iter_parents() if isinstance(node, SharedFolder)]
        assert packages == [folder for folder in FOLDERS if folder == folder_of(item.nodeid)], item.nodeid
