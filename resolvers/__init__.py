"""What may be asked and done: one function per question or act, with its permission and its transaction."""
