"""Books of large customers, kept in memory from one batch to the next.

Only the matcher that owns a partition writes its workspaces, so what it has just stored is what it
would read. The proof is the position: books are used again only by the batch that begins where the
one that left them has committed its end. Whatever comes between, a failure, another process, a
record with fan-out, they are read again.
"""

from plumbline_schemas.ids import ExternalKey

from matcher.book import Book
from matcher.snapshot import Snapshot


class Shelf:
    """Of one partition. `large` is the least number of objects worth keeping a book for."""

    def __init__(self, *, large: int = 200, room: int = 20_000) -> None:
        self._large = large
        self._room = room
        self._position: int | None = None
        self._books: dict[tuple[str, ExternalKey], Book] = {}

    def clear(self) -> None:
        """Forget all."""
        self._books.clear()

    def lend(self, snapshot: Snapshot, position: int) -> None:
        """Put a workspace's books into a snapshot that begins at this position of the log.

        They leave the shelf: only a commit brings them back.
        """
        if position != self._position:
            self.clear()
        name = snapshot.workspace.workspace
        for place in [place for place in self._books if place[0] == name]:
            snapshot.books[place[1]] = self._books.pop(place)
            snapshot.complete.add(place[1])

    def take_back(self, snapshots: list[Snapshot], position: int) -> None:
        """Keep the large books of snapshots that a commit has stored up to this position."""
        self._position = position
        for snapshot in snapshots:
            name = snapshot.workspace.workspace
            for customer in snapshot.complete:
                book = snapshot.books.get(customer)
                if book is not None and len(book) >= self._large:
                    self._books[(name, customer)] = book
        left = sum(len(book) for book in self._books.values())
        for place in list(self._books):
            if left <= self._room:
                break
            left -= len(self._books.pop(place))
