"""Accepted documents that come close to a limit: the kinds that the search found."""

_MESSAGE = "id content status role position createdAt metadata author { name }"
_FILTERED = "escalations(filter: {status: OPEN}) { totalCount }"
_PERIOD = 'from: "2024-01-01T00:00:00Z", to: "2026-06-01T00:00:00Z"'


def products(agent: str, escalation: str) -> dict[str, str]:
    """Return documents by their kind."""
    analytics = f'escalationAnalytics(agentId: "{agent}", {_PERIOD})'
    series = _aliases("series { start conversations escalations }", 15)
    notes = _aliases("notes { id body author { name } }", 30)
    rows = "(first: 100) { nodes { id } }"
    page = f"messages(first: 50) {{ nodes {{ {_MESSAGE} }} }}"
    counted = _aliases("messages(first: 1) { totalCount }", 9)
    return {
        "pages in pages": f"{{ conversations(first: 28) {{ nodes {{ {page} }} }} }}",
        "pages of one row": f"{{ conversations(first: 10) {{ nodes {{ {counted} }} }} }}",
        "counted pages": f"{{ {_aliases('conversations(first: 1) { totalCount }', 57)} }}",
        "counted and filtered pages": f"{{ {_aliases(_FILTERED, 28)} }}",
        "rows of conversations": f"{{ {_aliases(f'conversations{rows}', 21)} }}",
        "rows of escalations": f"{{ {_aliases(f'escalations{rows}', 21)} }}",
        "fields of one row": f"{{ escalations(first: 100) {{ nodes {{ {_aliases('reason', 140)} }} }} }}",
        "lists without pages": f'{{ escalation(id: "{escalation}") {{ {notes} }} }}',
        "series": f"{{ {analytics} {{ {series} }} }}",
        "analytics in mass": f"{{ {_aliases(f'{analytics} {{ conversations }}', 20)} }}",
        "settings in mass": f"{{ {_aliases('agents { settings { version } }', 30)} }}",
        "viewers in mass": f"{{ {_aliases('viewer { cursor workspace { id } }', 90)} }}",
    }


def _aliases(selection: str, count: int) -> str:
    return " ".join(f"a{number}: {selection}" for number in range(count))
