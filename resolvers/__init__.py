"""One function per query or mutation, with its permission and its transaction."""
