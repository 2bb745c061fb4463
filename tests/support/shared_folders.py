"""Folders whose tests share services, and the process that takes their files.

The services of such a folder are fixtures of scope "package". They end when the process takes a file from
elsewhere, since idle servers use CPU, too: each about a hundredth of a core, with its database.
"""

from collections.abc import Collection, Iterable
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

FOLDERS = ("tests/notifications", "tests/web")
_ROOT = Path(__file__).parents[2]


def is_shared(folder: Path) -> bool:
    """Return whether the tests of a folder share services."""
    return folder in {_ROOT / name for name in FOLDERS}


class SharedFolder(pytest.Package):
    """A folder with fixtures of scope "package", which pytest otherwise has only where `__init__.py` is."""

    def setup(self) -> None:
        """Do nothing: there is no `__init__.py` to import."""


class FolderScheduling(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """The next file in order, but a process that has services of a folder continues with its files."""

    _folders: dict[WorkerController, str | None]

    def _assign_work_unit(self, node: WorkerController) -> None:
        # The class has no public method that chooses; it takes the first file of `workqueue`.
        self._folders = getattr(self, "_folders", {})
        others = {folder for other, folder in self._folders.items() if other is not node and folder}
        file = next_file(self.workqueue, self._folders.get(node), others)
        self._folders[node] = folder_of(file)
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)


def next_file(files: Iterable[str], folder: str | None, others: Collection[str]) -> str:
    """Return the file that a process takes: of its shared folder, else of no folder of others, else any.

    `files` are in their order, and `others` are the shared folders of the other processes.
    """
    own = (file for file in files if folder and folder_of(file) == folder)
    free = (file for file in files if folder_of(file) not in others)
    return next(own, None) or next(free, None) or next(iter(files))


def folder_of(file: str) -> str | None:
    """Return the shared folder of a file."""
    return next((folder for folder in FOLDERS if file.startswith(f"{folder}/")), None)
