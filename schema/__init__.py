"""What a client sees: types, inputs, root fields; thin shells over resolvers."""
