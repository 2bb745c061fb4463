"""Hooks of the build of the Python package."""

from pathlib import Path

from setuptools.command.build_py import build_py  # type: ignore[import-untyped]  # It has no types.

BUILT = Path("server/static/widget/manifest.json")


class BuildWithWidget(build_py):  # type: ignore[misc]  # Its base has no types.
    """`build_py` that refuses to make a package without the widget."""

    def run(self) -> None:
        """Copy the modules and data files. Raises SystemExit if the widget is not built."""
        if not self.editable_mode and not BUILT.is_file():
            raise SystemExit(f"{BUILT} is missing: run `make web` before you build the package.")
        super().run()
