"""Escalations, their first-response clock, and answering them."""
