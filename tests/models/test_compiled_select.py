"""Rows of compiled selects: they can be read, and not written."""

import pytest
from sqlalchemy import bindparam, select

from models.agent import Agent
from models.compiled_select import CompiledSelect
from models.database import Database
from models.plain_row import ReadOnlyRowError
from rules.typeid import AGENT, parse_id
from tests.support.baton_client import Workspace


@pytest.mark.anyio
async def test_row_of_a_compiled_select_added_to_a_session_is_refused(workspace: Workspace) -> None:
    database = Database(workspace.server.service_url, connections=1)
    by_id = CompiledSelect(select(Agent).where(Agent.id == bindparam("id")))
    try:
        ((agent,),) = await by_id.rows(database, id=parse_id(AGENT, workspace.agent_id))
        assert agent.name == "An AI agent"
        async with database.transactional_session() as session:
            with pytest.raises(ReadOnlyRowError, match="Agent"):
                session.add(agent)
            await session.flush()
    finally:
        await database.close()
    assert workspace.server.rows("SELECT name FROM agents WHERE id = $1", agent.id) == [{"name": agent.name}]
