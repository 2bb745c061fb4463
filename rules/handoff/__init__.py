"""Recognition of customer messages that ask for a person, and of a team's own phrases."""
