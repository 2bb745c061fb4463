"""Tables, their constraints, migrations and connection pools."""
