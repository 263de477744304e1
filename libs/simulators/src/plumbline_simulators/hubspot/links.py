"""Which record is associated with which, from both sides and by which types."""

from collections.abc import Callable
from typing import Any, Final

from plumbline_simulators.hubspot.store import Records

Json = dict[str, Any]
Types = set[tuple[str, int]]
"""Category and type id."""
Told = Callable[[Records, str, Records, str, bool], None]
"""(from, id, to, id, removed) after a change."""
DEFAULT_TYPES: Final = {
    ("companies", "contacts"): 280, ("contacts", "companies"): 279,
    ("companies", "deals"): 342, ("deals", "companies"): 341,
    ("contacts", "deals"): 4, ("deals", "contacts"): 3,
}  # fmt: skip
_OTHER_SIDE: Final = {1: 2, 2: 1}
"""Primary company, seen from the contact (1) and from the company (2)."""


def default_type(here: Records, there: Records) -> int:
    """Type id of the association without a label."""
    return DEFAULT_TYPES.get((here.type, there.type), 450)


class Links:
    """Associations of all object types."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._pairs: dict[tuple[str, str, str], dict[str, Types]] = {}

    def add(
        self, here: Records, from_id: str, there: Records, to_id: str, types: Types | None = None
    ) -> None:
        """Associate, by the default type too; 404 when either record isn't live."""
        from_id, to_id = here.get(from_id)["id"], there.get(to_id)["id"]
        back = {(category, _OTHER_SIDE[one]) for category, one in types or ()
                if one in _OTHER_SIDE}  # fmt: skip
        sides = ((here, from_id, there, to_id, types or set()), (there, to_id, here, from_id, back))
        for one, one_id, other, other_id, given in sides:
            known = self._pairs.setdefault((one.type, one_id, other.type), {})
            default = {("HUBSPOT_DEFINED", default_type(one, other))}
            known.setdefault(other_id, set()).update(default, given)
        self._told(here, from_id, there, to_id, False)

    def remove(self, here: Records, from_id: str, there: Records, to_id: str) -> None:
        """Take all associations of two records away; none is no error."""
        from_id, to_id = here.resolve(from_id), there.resolve(to_id)
        gone = self._pairs.get((here.type, from_id, there.type), {}).pop(to_id, None)
        self._pairs.get((there.type, to_id, here.type), {}).pop(from_id, None)
        if gone is not None:
            self._told(here, from_id, there, to_id, True)

    def of(self, here: Records, from_id: str, there: Records) -> dict[str, Types]:
        """Ids of live records associated with one, and by which types."""
        known = self._pairs.get((here.type, here.resolve(from_id), there.type), {})
        return {one: types for one, types in known.items() if _live(there, one)}

    def listed(self, here: Records, from_id: str, there: Records) -> list[Json]:
        """As v3 answers them."""
        name = f"{here.kind.singular}_to_{there.kind.singular}"
        return [{"id": one, "type": name} for one in self.of(here, from_id, there)]

    def merged(self, type_: str, gone: list[str], survivor: str) -> None:
        """What the merged records had is the survivor's."""
        for (from_type, from_id, to_type), known in list(self._pairs.items()):
            if from_type == type_ and from_id in gone:
                kept = self._pairs.setdefault((type_, survivor, to_type), {})
                for to_id, types in self._pairs.pop((from_type, from_id, to_type)).items():
                    kept.setdefault(to_id, set()).update(types)
            if to_type == type_:
                for old in gone:
                    types = known.pop(old, set())
                    if types:
                        known.setdefault(survivor, set()).update(types)


def _live(records: Records, record_id: str) -> bool:
    found = records.find(record_id)
    return found is not None and not found["archived"]
