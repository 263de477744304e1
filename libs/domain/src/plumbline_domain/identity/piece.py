"""One piece of evidence about a pair."""

from typing import NamedTuple


class Piece(NamedTuple):
    """One piece of evidence: its code stands in the table of weights."""

    code: str
    ours: str
    theirs: str
