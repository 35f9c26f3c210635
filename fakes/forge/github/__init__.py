"""GitHub's dialect of the fake forge: REST, GraphQL, and the shapes of their answers."""
