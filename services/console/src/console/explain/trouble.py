"""What stops the explanation of one account: a named error of its input."""


class BadInput(Exception):  # noqa: N818 - reads as the sentence it prints
    """`name` is a word for scripts, `where` the file and the place in it, `why` a sentence."""

    def __init__(self, name: str, where: str, why: str = "") -> None:
        super().__init__(f"{where}: {why or name}")
        self.name = name
        self.where = where
        self.why = why or name.replace("_", " ")


class UsageError(Exception):
    """The command line asks for what can't be done; the message names the option (exit 2)."""
