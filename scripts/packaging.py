"""Hooks of the build of the Python package."""

from pathlib import Path

from setuptools.command.build_py import build_py  # type: ignore[import-untyped]  # It has no types.

BUILT = tuple(
    Path("server/static", name)
    for name in ("widget/manifest.json", "app/.vite/manifest.json", "graphiql/.vite/manifest.json")
)


class BuildWithWidget(build_py):  # type: ignore[misc]  # Its base has no types.
    """`build_py` that refuses to make a package without the widget, the dashboard and GraphiQL."""

    def run(self) -> None:
        """Copy the modules and data files. Raises SystemExit if one of them is not built."""
        missing = [str(path) for path in BUILT if not path.is_file()]
        if missing and not self.editable_mode:
            raise SystemExit(f"{missing[0]} is missing: run `make web` before you build the package.")
        super().run()
