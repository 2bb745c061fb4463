"""The page on which people try the API out."""

from strawberry.http.ides import get_graphql_ide_html


def graphiql_page() -> str:
    """GraphiQL as HTML; it loads its scripts from a public CDN."""
    return get_graphql_ide_html("graphiql")
