"""A HubSpot simulated over HTTP, and a writeback before it."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from plumbline_connectors.hubspot.client import open_hubspot
from plumbline_runtime.budget import Budget
from plumbline_runtime.postgres import create_pool
from plumbline_schemas.accounts import AccountState
from plumbline_simulators.hubspot.control_api import PERSON
from plumbline_simulators.hubspot.simulator import HubSpotSimulator, hubspot_simulator
from plumbline_simulators.hubspot.state import RowFault
from writeback.crm import HubSpotCrm
from writeback.kinds import Kinds


class Portal:
    """A HubSpot simulated over HTTP, with a writeback before it; record n belongs to account n."""

    def __init__(self, world: Any, hubspot: HubSpotSimulator, account: Any) -> None:
        self.world = world
        self.hubspot = hubspot
        self._account = account
        self.person = PERSON

    async def opened(self, size: int) -> None:
        """`size` companies, and writing is allowed."""
        for n in range(1, size + 1):
            self.hubspot.state.of("companies").create({"name": f"Acme {n}"}, PERSON, str(n))
        await self.world.opened(fields={"company": {"mrr": "pl_mrr", "last_synced_at": "pl_sync"}})

    def state(self, record: int, mrr: int, *, version: int = 1, **changes: Any) -> AccountState:
        """The account of this record pays so much."""
        links = changes.pop("links", [("company", str(record), 1)])
        made: AccountState = self._account(
            version * 1000 + record, mrr=mrr * 100, links=links,
            id=f"acc_{record:026d}", **changes,
        )  # fmt: skip
        return made

    async def want(self, mrr: int, *records: int, **changes: Any) -> None:
        """Accounts of these records pay so much."""
        await self.world.states(*(self.state(one, mrr, **changes) for one in records))

    def fault(self, kind: str, path: str = "batch/update", **options: Any) -> None:
        """The next `times` calls go wrong."""
        times = options.pop("times", 1)
        self.hubspot.state.faults.add_json(
            {"path": path, "times": times, "action": {"kind": kind, **options}}
        )

    def refuse(self, category: str, *records: int, times: int = 1, whole: bool = False) -> None:
        """Rows of these records are refused."""
        left = {str(one): times for one in records}
        self.hubspot.state.row_faults.append(RowFault(category, "refused", left, whole))

    def held(self, *records: int) -> set[str | None]:
        """What these records show."""
        companies = self.hubspot.state.of("companies")
        return {companies.get(str(n))["properties"].get("pl_mrr") for n in records}

    def calls(self, path: str = "batch/update") -> list[dict[str, Any]]:
        """Calls that arrived."""
        return self.hubspot.state.calls.calls(path=path)

    def check_keys(self) -> Counter[tuple[str, str]]:
        """No key was ever sent with two bodies; returns how often each was applied."""
        bodies: dict[str, set[str]] = {}
        for call in self.calls():
            for row in orjson.loads(call["body"])["inputs"]:
                said = orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode()
                bodies.setdefault(row["objectWriteTraceId"], set()).add(said)
        assert all(len(one) == 1 for one in bodies.values())
        writes = [orjson.loads(raw) for raw in self.hubspot.state.writes]
        return Counter(
            (one["id"], one["objectWriteTraceId"]) for one in writes if one["objectWriteTraceId"]
        )


@pytest.fixture
async def portal(database_url: str, account: Any, world_type: Any) -> AsyncIterator[Portal]:
    """A writeback whose CRM answers over HTTP, with time-outs of a test."""
    pool = await create_pool(database_url)
    async with hubspot_simulator() as hubspot:
        hubspot.state.calls.body_cap = 1_000_000
        client = open_hubspot(
            api_base=hubspot.base_url, layout="v3", where="acme/hubspot",
            access_token="pat-na1-simulated", timeout_seconds=0.4,
        )  # fmt: skip
        kinds = Kinds(pool, "acme", "hubspot", retry_seconds=0.3, wake=lambda: None)
        world = world_type(database_url, pool, HubSpotCrm(client, kinds))
        world.kinds = kinds
        world.settings = world.settings._replace(
            http_timeout=0.4, lease_margin=0.1, circuit_retry=0.3, schedule=(0.02, 0.05, 0.1)
        )
        world.budget = Budget(pool, "acme", "hubspot", rate_per_second=500, burst=50)
        yield Portal(world, hubspot, account)
        await world.kill()
        await client.aclose()
    await pool.close()
