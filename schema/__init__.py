"""GraphQL types, inputs and root fields: thin wrappers around resolvers."""
