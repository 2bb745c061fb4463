"""The GraphQL documents of the widget, against the schema that the server prints."""

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from scripts.widget_documents import widget_documents

ROOT = Path(__file__).parents[2]
SOURCE = "".join((ROOT / "web/widget" / name).read_text() for name in ("documents.ts", "form.ts"))
SCHEMA = build_schema((ROOT / "schema/schema.graphql").read_text())

DOCUMENTS = widget_documents()


def test_documents_are_found() -> None:
    assert len(DOCUMENTS) == len(re.findall(r"[\"`](?:query|mutation|subscription) ", SOURCE)) > 10


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_in_the_schema(name: str) -> None:
    assert validate(SCHEMA, parse(DOCUMENTS[name])) == []
