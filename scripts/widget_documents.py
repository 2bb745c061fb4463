"""Print the manifest of the documents that widget tokens may run.

    python -m scripts.widget_documents > schema/widget_documents.json

They are the documents of web/widget, of examples/widget.graphql and of the simulated customers of the demo.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from graphql import parse, print_ast

from schema.trusted_documents import print_manifest
from server.demo.client import CUSTOMERS_DOCUMENTS

_ROOT = Path(__file__).parents[1]
# The form, which is fetched later, has its own document.
_SOURCES = [_ROOT / "web/widget" / name for name in ("documents.ts", "form.ts")]
_CONSTANT = re.compile(r"const (\w+) =\s*[\"`]([^\"`]*)[\"`];")


def widget_documents() -> dict[str, str]:
    """Return the documents of the widget by the names of their constants."""
    texts = dict(_CONSTANT.findall("".join(path.read_text(encoding="utf-8") for path in _SOURCES)))
    return {
        name: re.sub(r"\$\{(\w+)\}", lambda match: texts[match[1]], text)
        for name, text in texts.items()
        if text.startswith(("query", "mutation", "subscription"))
    }


def example_documents() -> Iterator[str]:
    """Yield each operation of the example as a document of its own."""
    text = (_ROOT / "examples/widget.graphql").read_text(encoding="utf-8")
    yield from map(print_ast, parse(text).definitions)


def manifest() -> str:
    """Return the manifest of all of them."""
    return print_manifest([*widget_documents().values(), *example_documents(), *CUSTOMERS_DOCUMENTS])


if __name__ == "__main__":
    sys.stdout.write(manifest())
