"""Manifests of the documents that widget tokens may run.

The own manifest is `widget_documents.json`: the widget's documents and those of `examples/widget.graphql`. An
integrator's is a JSON object of documents by ids, the format of persisted documents of Relay and of GraphQL
Code Generator. Documents match after parsing and printing, so white space and comments make no difference.
"""

import json
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

from graphql import DocumentNode, GraphQLError, parse, print_ast

from resolvers.trusted_documents import TrustedDocuments

ANY = "any"
OWN_MANIFEST = Path(__file__).with_name("widget_documents.json")


class ManifestError(ValueError):
    """A manifest that cannot be read; the message is for the operator."""


def digest_of(document: DocumentNode) -> str:
    """Return the SHA-256 of the normalised document, in hexadecimal."""
    return sha256(print_ast(document).encode()).hexdigest()


def read_trusted_documents(setting: str | None) -> TrustedDocuments:
    """Return the documents of the own manifest and of the one that the setting names; raise ManifestError."""
    texts = dict(_own_documents())
    if setting and setting != ANY:
        texts |= _read_manifest(Path(setting))
    return TrustedDocuments(texts, any_allowed=setting == ANY)


def check_setting(setting: str) -> str:
    """Return the value of the setting; raise ManifestError for an unusable one."""
    read_trusted_documents(setting)
    return setting


def print_manifest(documents: Iterable[str]) -> str:
    """Return a manifest of these documents by the SHA-256 of their normalised texts."""
    texts = {digest_of(parsed): print_ast(parsed) for parsed in map(parse, documents)}
    return json.dumps(texts, indent=1, ensure_ascii=False) + "\n"


@cache
def _own_documents() -> dict[str, str]:
    return _read_manifest(OWN_MANIFEST)


def _read_manifest(path: Path) -> dict[str, str]:
    try:
        documents = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"the manifest {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ManifestError(f"the manifest {path} cannot be read: {error}") from None
    if not isinstance(documents, dict) or not all(isinstance(text, str) for text in documents.values()):
        raise ManifestError(f"the manifest {path} is not a JSON object of documents by ids")
    texts: dict[str, str] = {}
    for id_, text in documents.items():
        try:
            parsed = parse(text, no_location=True)
        except GraphQLError as error:
            raise ManifestError(
                f"the document {id_} of the manifest {path} is wrong: {error.message}"
            ) from None
        texts[id_] = texts[digest_of(parsed)] = print_ast(parsed)
    return texts
