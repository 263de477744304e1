"""From a configured connection to what understands its deliveries and looks at its objects."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import asyncpg
from plumbline_connectors.configured import (
    hubspot_check,
    hubspot_client,
    hubspot_context,
    stripe_check,
    stripe_client,
    stripe_context,
)
from plumbline_connectors.stripe.translate import StripeContext
from plumbline_runtime.budget import Budget
from plumbline_runtime.circuit import AccountCheck
from plumbline_runtime.config import (
    DeploymentConfig,
    HubSpotConnection,
    StripeConnection,
    Workspace,
)
from plumbline_runtime.tokens import TokenStore

from ingest_webhooks.handle import HubSpotSource, Sources
from ingest_webhooks.looks import HubSpotLook, Look, StripeLook

Close = Callable[[], Awaitable[None]]


class Eyes(NamedTuple):
    """What looks at a connection's objects, what asks for its account, and how to close both."""

    look: Look
    account: AccountCheck
    close: Close


def sources_of(config: DeploymentConfig) -> Sources:
    """How to understand the deliveries of every connection."""
    return {
        (workspace.id, name): source_of(workspace, connection)
        for workspace in config.workspaces
        for name, connection in workspace.connections.items()
    }


def source_of(
    workspace: Workspace, connection: StripeConnection | HubSpotConnection
) -> StripeContext | HubSpotSource:
    """How to understand the deliveries of one connection."""
    if isinstance(connection, StripeConnection):
        return stripe_context(workspace.id, connection)
    context = hubspot_context(
        workspace.id,
        connection,
        dict(workspace.fields.items()),
        tax_id_property=workspace.policies.identity.tax_id_property,
    )
    return HubSpotSource(context, connection.portal_id)


def look_for(
    workspace: Workspace,
    connection: StripeConnection | HubSpotConnection,
    *,
    pool: asyncpg.Pool,
    concurrency: int,
) -> Eyes:
    """What looks at the connection's objects; raises ConfigError."""
    zone = workspace.workspace.timezone
    budget = Budget.of(pool, workspace.id, connection, timezone=zone)
    acquire = partial(budget.acquire, "read")
    source = source_of(workspace, connection)
    if isinstance(connection, StripeConnection):
        assert isinstance(source, StripeContext)
        stripe = stripe_client(workspace.id, connection, max_connections=concurrency)
        return Eyes(
            StripeLook(stripe, source, budget, concurrency=concurrency),
            stripe_check(workspace.id, connection, stripe, acquire),
            stripe.aclose,
        )
    assert isinstance(source, HubSpotSource)
    shelf = TokenStore.of(pool, workspace.id, connection)
    hubspot = hubspot_client(workspace.id, connection, shelf=shelf, told=budget.told)
    return Eyes(
        HubSpotLook(hubspot, source.context, budget),
        hubspot_check(workspace.id, connection, hubspot, acquire, shelf),
        hubspot.aclose,
    )
