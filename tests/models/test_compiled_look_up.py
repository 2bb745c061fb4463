"""Look-ups by keys: their rows, and the plans that PostgreSQL keeps for them."""

from uuid import uuid4

import pytest
from sqlalchemy import select

from models.agent import Agent
from models.compiled_look_up import CompiledLookUp
from models.database import Database
from rules.typeid import AGENT, parse_id
from tests.support.baton_client import Workspace
from tests.support.baton_process import SCOPE

# PostgreSQL makes five plans for the values of a statement before it considers one for all values.
PLANS_FOR_VALUES = 5
PLANS = "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT agents%'"


@pytest.mark.anyio
async def test_look_up_by_one_key_keeps_its_plan(workspace: Workspace) -> None:
    database = Database(workspace.server.service_url, connections=1, scope=SCOPE)
    look_up, key = CompiledLookUp(select(Agent.name), Agent.id), parse_id(AGENT, workspace.agent_id)
    try:
        for _ in range(PLANS_FOR_VALUES + 3):
            assert await look_up.rows(database, [key]) == [("An AI agent",)]
        ((custom, generic),) = await database.fetch(PLANS)
        assert (custom, generic) == (PLANS_FOR_VALUES, 3)
        assert await look_up.rows(database, [uuid4(), key, uuid4()]) == [("An AI agent",)]
        assert await look_up.rows(database, []) == []
        assert await look_up.rows(database, [uuid4()]) == []
    finally:
        await database.close()


@pytest.mark.anyio
async def test_look_up_reads_the_shown_columns_of_one_key_and_of_several(workspace: Workspace) -> None:
    database = Database(workspace.server.service_url, connections=1, scope=SCOPE)
    look_up, key = CompiledLookUp(select(Agent), Agent.id), parse_id(AGENT, workspace.agent_id)
    try:
        for keys in ([key], [key, uuid4()]):
            ((agent,),) = await look_up.rows(database, keys, {Agent: frozenset({"name"})})
            assert (agent.id, agent.name) == (key, "An AI agent")
            with pytest.raises(AttributeError):
                _ = agent.settings
            ((whole,),) = await look_up.rows(database, keys)
            assert whole.settings
    finally:
        await database.close()
