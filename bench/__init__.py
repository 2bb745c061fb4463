"""How fast Baton is: `python -m bench` measures one server and prints a table."""
