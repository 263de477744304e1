"""Text of strangers made fit for a terminal, a header and a database."""


def printable(text: str) -> str:
    """Text that PostgreSQL, a header and a terminal take: no NUL, no control characters."""
    return "".join(c if c.isprintable() else "\\" + f"x{ord(c):02x}" for c in text)
