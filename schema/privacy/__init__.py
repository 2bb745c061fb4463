"""Privacy: erasure of customers, and the audit log."""
