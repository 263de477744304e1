"""What only this process writes, kept in memory from one batch to the next.

Only the matcher that owns a partition writes its workspaces, so what it has just stored is what it
would read: the workspace's row, catalogue objects, and the books of large customers. The proof is
the position: it is used again only by the batch that begins where the one that left it has
committed its end, and whoever was wrong about that is fenced by his own commit. Whatever comes
between, a failure, another process, a record with fan-out, all is read again.
"""

from dataclasses import replace

from plumbline_schemas.ids import ExternalKey

from matcher.book import Book
from matcher.rows import ObjectRow, WorkspaceRow
from matcher.snapshot import Snapshot


class Shelf:
    """Of one partition. `large` is the least number of objects worth keeping a book for.

    `room` is how many objects of books are kept, and how many catalogue objects of a workspace.
    """

    def __init__(self, *, large: int = 200, room: int = 20_000) -> None:
        self._large = large
        self._room = room
        self._position: int | None = None
        self._workspaces: dict[str, WorkspaceRow] = {}
        self._catalogues: dict[str, dict[ExternalKey, ObjectRow | None]] = {}
        self._books: dict[tuple[str, ExternalKey], Book] = {}

    def clear(self) -> None:
        """Forget all."""
        self._workspaces.clear()
        self._catalogues.clear()
        self._books.clear()

    def begin(self, position: int) -> None:
        """A transaction begins at this position; what was left at another one is forgotten."""
        if position != self._position:
            self.clear()

    def workspace(self, name: str) -> WorkspaceRow | None:
        """A workspace's row as the last commit left it."""
        return self._workspaces.get(name)

    def lend(self, snapshot: Snapshot) -> None:
        """Put what is kept of a workspace into a snapshot.

        Books change while a batch is decided, so they leave the shelf: only a commit brings them
        back. Catalogue objects that change are read anew by whoever changes them.
        """
        name = snapshot.workspace.workspace
        snapshot.catalogue.shelved = self._catalogues.get(name, {})
        for place in [place for place in self._books if place[0] == name]:
            snapshot.books[place[1]] = self._books.pop(place)
            snapshot.complete.add(place[1])

    def take_back(self, snapshots: list[Snapshot], position: int) -> None:
        """Keep what snapshots hold that a commit has stored up to this position."""
        self._position = position
        for snapshot in snapshots:
            name = snapshot.workspace.workspace
            self._workspaces[name] = replace(snapshot.workspace)
            self._keep_catalogue(name, snapshot)
            for customer in snapshot.complete:
                book = snapshot.books.get(customer)
                if book is not None and len(book) >= self._large:
                    self._books[(name, customer)] = book
        left = sum(len(book) for book in self._books.values())
        for place in list(self._books):
            if left <= self._room:
                break
            left -= len(self._books.pop(place))

    def _keep_catalogue(self, name: str, snapshot: Snapshot) -> None:
        known = self._catalogues.setdefault(name, {})
        for key in snapshot.changed_objects & known.keys():
            del known[key]
        for key in snapshot.catalogue.needed - snapshot.changed_objects:
            known[key] = snapshot.objects.get(key)
        if len(known) > self._room:
            known.clear()
