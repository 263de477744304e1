"""Composition root: two consumers, an outbox, and a sender for every CRM connection."""

if __name__ == "__main__":
    from plumbline_runtime import early

    early.begin()

import sys
from functools import partial

from plumbline_connectors.configured import hubspot_check, hubspot_client
from plumbline_connectors.hubspot.client import HubSpotClient
from plumbline_connectors.hubspot.creation import HubSpotCreation
from plumbline_runtime.budget import Budget
from plumbline_runtime.circuit import Circuit
from plumbline_runtime.config import HubSpotConnection, Workspace
from plumbline_runtime.postgres import connect
from plumbline_runtime.service import Runtime, run_service
from plumbline_runtime.tokens import TokenStore
from plumbline_schemas.topics import ACCOUNTS_STATE, OBSERVATIONS

from writeback.consume import AccountsHandler, CrmHandler
from writeback.creation_round import Creations
from writeback.crm import HubSpotCrm, HubSpotMaker
from writeback.deploy import Deployment
from writeback.kinds import Kinds
from writeback.metrics import begin_target
from writeback.outbox import Outbox
from writeback.round import Rounds
from writeback.sender import Sender
from writeback.settings import WritebackSettings

SERVICE = "writeback"
GROUP_ACCOUNTS = "writeback-accounts"
GROUP_CRM = "writeback-crm"
CRM_SPACING_MS = 100
"""Nearly all of the log is billing, which this group passes over: no need to do so often."""


async def build(runtime: Runtime) -> None:
    """Wire the service; raises ConfigError for a missing secret."""
    settings = WritebackSettings.from_environment()
    outbox = Outbox(runtime.pool, runtime.producer, runtime.stopping)
    runtime.background("outbox", outbox.run)
    senders = [
        _sender(runtime, settings, workspace, workspace.crm, outbox)
        for workspace in runtime.config.workspaces
        if workspace.crm is not None
    ]

    for one in senders:
        begin_target(one.label)

    def wake() -> None:
        outbox.wake()
        for sender in senders:
            sender.wake()

    delays = (settings.blank_delay, settings.doubt_delay, settings.create_delay)
    runtime.consume(
        ACCOUNTS_STATE,
        group=GROUP_ACCOUNTS,
        handler=AccountsHandler(runtime.pool, runtime.dead_letters, wake, *delays),
        joined=True,
    )
    runtime.consume(
        OBSERVATIONS,
        group=GROUP_CRM,
        handler=CrmHandler(runtime.pool, runtime.dead_letters, wake, *delays),
        spacing_ms=CRM_SPACING_MS,
    )


def _sender(
    runtime: Runtime,
    settings: WritebackSettings,
    workspace: Workspace,
    connection: HubSpotConnection,
    outbox: Outbox,
) -> Sender:
    pool = runtime.pool
    budget = Budget.of(pool, workspace.id, connection, timezone=workspace.workspace.timezone)
    shelf = TokenStore.of(pool, workspace.id, connection)
    client = _client(workspace, connection, settings, budget, shelf)
    runtime.on_stop(client.aclose)
    kinds = _kinds(runtime, workspace.id, connection.name, settings)
    crm, maker = HubSpotCrm(client, kinds), HubSpotMaker(HubSpotCreation(client), kinds)
    # before all others: until it has passed, no failed payment is told either
    acquire, told = partial(budget.acquire, "write", priority=True), budget.told_zone

    def circuit(role: str) -> Circuit:
        account = hubspot_check(workspace.id, connection, client, acquire, shelf, told_zone=told)
        return runtime.circuit(workspace.id, connection, role=role, account=account)

    deployment = Deployment(
        workspace.id,
        connection.name,
        crm,
        configured={str(kind): fields for kind, fields in workspace.fields.items()},
        pool=pool,
        budget=budget,
        circuit=circuit("properties"),
        health=runtime.health,
        settings=settings,
        stopping=runtime.stopping,
        wake=lambda: sender.wake(),  # noqa: PLW0108 - it is made below
    )
    sender = Sender(
        workspace.id,
        connection.name,
        connect=partial(connect, runtime.settings),
        rounds=Rounds(crm, budget, deployment, settings),
        creations=Creations(maker, budget, deployment, kinds, settings),
        deployed=deployment,
        circuit=circuit("writes"),
        kinds=kinds,
        settings=settings,
        stopping=runtime.stopping,
        wake_outbox=outbox.wake,
    )
    runtime.background(f"deploy:{sender.label}", deployment.run)
    runtime.background(f"sender:{sender.label}", sender.run)
    return sender


def _kinds(runtime: Runtime, workspace: str, name: str, settings: WritebackSettings) -> Kinds:
    wake = runtime.attention.wake
    return Kinds(runtime.pool, workspace, name, retry_seconds=settings.circuit_retry, wake=wake)


def _client(
    workspace: Workspace,
    connection: HubSpotConnection,
    settings: WritebackSettings,
    budget: Budget,
    shelf: TokenStore | None,
) -> HubSpotClient:
    return hubspot_client(
        workspace.id,
        connection,
        shelf=shelf,
        told=budget.told,
        timeout_seconds=settings.http_timeout,
    )


def main() -> int:
    """Run until SIGTERM; the exit code says whether it ended well."""
    return run_service(SERVICE, build)


if __name__ == "__main__":
    sys.exit(main())
