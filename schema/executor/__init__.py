"""A breadth-first executor for operations in which nothing fails. `docs/executor.md` explains it.

* `plan` turns an operation into a plan, with graphql-core's own collection of fields.
* `variables` and `arguments` make the values that the resolvers get.
* `columns` complete all values of a field together; `leaves` those of scalars and enums.
* `calls` call resolvers, and wait for a whole level together.
* `run` runs a plan. If anything is unusual, graphql-core runs the operation again.
"""
