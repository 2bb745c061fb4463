"""Live subscriptions: groups of identical subscriptions that share one execution per event."""
