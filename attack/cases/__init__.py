"""All cases, by the part of the service that they attack."""

from importlib import import_module

from attack.case import CASES, Case

_MODULES = (
    "documents",
    "bodies",
    "heads",
    "pages",
    "credentials",
    "writes",
    "outgoing",
    "connections",
    "costly",
    "overload",
)


def load_cases() -> list[Case]:
    """Return all cases, in the order in which they run."""
    for name in _MODULES:
        import_module(f"attack.cases.{name}")
    return list(CASES)
