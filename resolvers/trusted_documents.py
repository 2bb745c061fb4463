"""The GraphQL documents that widget tokens may run."""

from collections.abc import Mapping
from dataclasses import dataclass

from resolvers.errors import ForbiddenError


@dataclass(frozen=True, slots=True)
class TrustedDocuments:
    """Documents by their id: the SHA-256 of the normalised text, or the id of an integrator's manifest."""

    texts: Mapping[str, str]
    any_allowed: bool = False

    def check(self, digest: str) -> None:
        """Raise ForbiddenError for a document that widget tokens may not run."""
        if not self.any_allowed and digest not in self.texts:
            raise ForbiddenError(
                "A widget token runs only documents of a manifest, and this one is not among them: add it to "
                "the manifest of BATON_WIDGET_DOCUMENTS, or set BATON_WIDGET_DOCUMENTS to any."
            )
