"""What is true: tables, their constraints, migrations."""
