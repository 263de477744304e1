"""How a person's decision reaches the log, and what came of it."""
