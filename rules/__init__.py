"""Pure rules without I/O, clock or randomness."""
