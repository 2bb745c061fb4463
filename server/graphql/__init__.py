"""GraphQL over HTTP, WebSocket and SSE."""
