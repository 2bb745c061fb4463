"""A root field that is new: what it lacks is said, and it inherits no description of another."""

import pytest
import strawberry

from resolvers.permissions import PERMISSIONS, permitted
from schema.api import GRAPHQL_SCHEMA, merge_mutations
from schema.descriptions import argument_description

AMBIGUOUS = ("name", "content", "email", "password", "role", "code", "url")


@strawberry.type
class NewConcept:
    """Mutations of a concept that the table of permissions does not have yet."""

    @strawberry.mutation
    def rename_team(self, name: str) -> bool | None:
        """Rename the team."""
        return bool(name)


def test_mutation_without_permission_names_the_table_to_add_it_to() -> None:
    with pytest.raises(LookupError, match=r"add renameTeam to PERMISSIONS in resolvers/permissions\.py"):
        merge_mutations(NewConcept)


def test_resolver_without_permission_names_the_table_to_add_it_to() -> None:
    with pytest.raises(LookupError, match=r"add renameTeam to PERMISSIONS in resolvers/permissions\.py"):
        permitted("renameTeam")


def test_mutations_are_in_the_order_of_the_table() -> None:
    assert GRAPHQL_SCHEMA.mutation_type is not None
    mutations = list(GRAPHQL_SCHEMA.mutation_type.fields)
    assert mutations == [name for name in PERMISSIONS if name in mutations]


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_argument_of_a_new_field_inherits_no_description_of_another(name: str) -> None:
    assert argument_description("Mutation", "renameTeam", name) is None
