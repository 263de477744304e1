"""The arithmetic behind a value, from what is stored: printed by `plumbline accounts why`."""
