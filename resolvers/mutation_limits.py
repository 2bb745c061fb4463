"""Limits of mutations: a call counts for its caller, conversation, network and workspace, or is refused.

The numbers are in `resolvers/rate_limits.py` and the settings.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute

from resolvers.actor import Actor, ActorKind
from resolvers.call_record import RateStatus
from resolvers.context import Context
from resolvers.errors import RateLimitedError
from resolvers.rate_limits import MutationLimits
from rules.network_address import network_of, site_of

# These have limits per second of their own.
UNCOUNTED = frozenset({"setTyping", "setViewing"})
_MESSAGES = frozenset({"recordMessage", "submitForm"})
_ESCALATIONS = frozenset({"requestHuman", "submitForm"})

# Conversations share this many counts, so that invented ids take no memory.
_CONVERSATION_COUNTS = 65_536
# A /48 may be one attacker, or many households with a /64 each.
_NETWORKS_PER_SITE = 4

_logger = structlog.get_logger(__name__)

_per_minute = lru_cache(64)(RateLimitItemPerMinute)
_per_hour = lru_cache(64)(RateLimitItemPerHour)


# What the counts of single mutations count, in messages.
_COUNTED = {
    "widget messages": "messages of one widget",
    "widget escalations": "requests for a person of one widget",
}


class _Count(NamedTuple):
    """One of the counts that a call takes from: its name for the caller, what it counts, and its key."""

    name: str
    limit: RateLimitItem
    of: str
    key: str


async def limit_mutation(context: Context, field: str, conversation_id: UUID | None) -> None:
    """Count a call of the mutation `field`; raise RateLimitedError if there were too many.

    All processes count a widget's calls together, if they share Redis. The other limits only stop callers
    that run away: each process counts for itself.
    """
    if field in UNCOUNTED or context.replay_clock is not None:
        return
    limits, limiter = context.services.mutation_limits, context.services.rate_limiter
    actor, record = context.actor, context.record
    if actor.is_customer:
        for count in _widget_counts(limits, actor, field):
            _require(context, count, await limiter.count(count.limit, count.of, count.key))
            record.note_rate(RateStatus(count.name, count.limit, await limiter.remaining(*count[1:])))
    else:
        own = _own_count(limits, actor)
        _require(context, own, limiter.own.hit(own.limit, own[2:]))
        record.note_rate(RateStatus(own.name, own.limit, limiter.own.remaining(own.limit, own[2:])))
    for count in _shared_counts(limits, context, conversation_id):
        _require(context, count, limiter.own.hit(count.limit, count[2:]))


def _widget_counts(limits: MutationLimits, actor: Actor, field: str) -> Iterator[_Count]:
    widget = str(actor.conversation_id)
    if field in _MESSAGES:
        yield _Count("messages", _per_minute(limits.messages_per_widget), "widget messages", widget)
    if field in _ESCALATIONS:
        yield _Count("escalations", _per_hour(limits.escalations_per_widget), "widget escalations", widget)
    yield _Count("writes", _per_minute(limits.per_widget), "widget", widget)


def _shared_counts(
    limits: MutationLimits, context: Context, conversation_id: UUID | None
) -> Iterator[_Count]:
    if context.actor.is_customer:
        yield from _network_counts(limits, context.address)
    if conversation_id is not None:
        key = str(hash(conversation_id) % _CONVERSATION_COUNTS)
        yield _Count("conversation", _per_minute(limits.per_conversation), "conversation", key)
    workspace = str(context.actor.workspace_id)
    yield _Count("workspace", _per_minute(limits.per_workspace), "workspace", workspace)


def _network_counts(limits: MutationLimits, address: str) -> Iterator[_Count]:
    network = network_of(address)
    yield _Count("address", _per_minute(limits.per_address), "address", network)
    if site := site_of(network):
        limit = _per_minute(limits.per_address * _NETWORKS_PER_SITE)
        yield _Count("address", limit, "address", site)


def _own_count(limits: MutationLimits, actor: Actor) -> _Count:
    amount = limits.per_member if actor.kind is ActorKind.TEAM_MEMBER else limits.per_key
    return _Count("writes", _per_minute(amount), "caller", str(actor.id))


def _require(context: Context, count: _Count, wait: float) -> None:
    if not wait:
        return
    seconds = math.ceil(wait)
    context.record.note_rate(RateStatus(count.name, count.limit, 0))
    # With the field `error`, at most one line in a second is written.
    _logger.warning("writes.limited", error=f"too many of one {count.of}", limit=str(count.limit))
    what = _COUNTED.get(count.of, f"calls of one {count.of}")
    raise RateLimitedError(f"Too many {what}: at most {count.limit}. Try again in {seconds} s.", seconds)
