"""The audit of GraphQL over HTTP passes, and graphql-sse says that its single connection mode is missing."""

import json

from tests.interop.conftest import Node
from tests.support.baton_client import DEADLINE, Workspace


def test_audit_of_graphql_over_http_passes(node: Node, workspace: Workspace) -> None:
    url, key = f"{workspace.server.url}/graphql", workspace.api_key
    with node("audit.mjs", url, key) as process:
        assert process.stdout is not None
        audit, single_connection = map(json.loads, process.stdout)
        assert process.wait(DEADLINE) == 0
    assert audit == {"audits": 61, "failed": []}
    assert single_connection == {"message": "Server responded with 501: Not Implemented"}
