"""Compiled selects: their rows can be read and not written, and each shape of a select is compiled once."""

from functools import partial

import pytest
from sqlalchemy import bindparam, select

from models.agent import Agent
from models.compiled_select import CompiledSelect, SelectShapes
from models.database import Database
from models.plain_row import ReadOnlyRowError
from resolvers.list_select import is_among
from rules.typeid import AGENT, parse_id
from tests.support.baton_client import Workspace
from tests.support.baton_process import SCOPE


@pytest.mark.anyio
async def test_row_of_a_compiled_select_added_to_a_session_is_refused(workspace: Workspace) -> None:
    database = Database(workspace.server.service_url, connections=1, scope=SCOPE)
    by_id = CompiledSelect(select(Agent).where(Agent.id == bindparam("id")))
    try:
        ((agent,),) = await by_id.rows(database, id=parse_id(AGENT, workspace.agent_id))
        assert agent.name == "An AI agent"
        with pytest.raises(AttributeError):
            agent.name = "Another"
        async with database.transactional_session() as session:
            with pytest.raises(ReadOnlyRowError, match="Agent"):
                session.add(agent)
            await session.flush()
    finally:
        await database.close()
    assert workspace.server.rows("SELECT name FROM agents WHERE id = $1", agent.id) == [{"name": agent.name}]


@pytest.mark.anyio
async def test_selects_that_differ_in_values_are_one_shape(workspace: Workspace) -> None:
    database, shapes = Database(workspace.server.service_url, connections=1, scope=SCOPE), SelectShapes(2)
    by_id, key = select(Agent).where(Agent.id == bindparam("id")), parse_id(AGENT, workspace.agent_id)
    try:
        for names in (["An AI agent"], ["An AI agent", "another"], ["another"]):
            named = is_among(Agent, "name", names)
            build = partial(CompiledSelect, by_id.where(named.make(*named.given)))
            shape = shapes.get(named[:2], build)
            rows = await shape.list_rows(database, {"id": key, **named.values})
            assert [agent.name for (agent,) in rows] == [name for name in names if name == "An AI agent"]
        assert len(shapes) == 1
        ((agent,),) = await CompiledSelect(by_id, {Agent: frozenset({"name"})}).rows(database, id=key)
        assert agent.name == "An AI agent"
        assert not hasattr(agent, "settings"), "only shown columns are read"
        for number in range(3):
            shapes.get(number, lambda: CompiledSelect(by_id))
        assert len(shapes) == 2, "the most recent ones are kept"
    finally:
        await database.close()
