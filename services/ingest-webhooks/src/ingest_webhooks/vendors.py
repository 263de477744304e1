"""From a configured connection to what understands its deliveries and looks at its objects."""

from collections.abc import Awaitable, Callable

import asyncpg
from plumbline_connectors.configured import (
    hubspot_client,
    hubspot_context,
    stripe_client,
    stripe_context,
)
from plumbline_connectors.stripe.translate import StripeContext
from plumbline_runtime.budget import Budget
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
    context = hubspot_context(workspace.id, connection, dict(workspace.fields.items()))
    return HubSpotSource(context, connection.portal_id)


def look_for(
    workspace: Workspace,
    connection: StripeConnection | HubSpotConnection,
    *,
    pool: asyncpg.Pool,
    concurrency: int,
) -> tuple[Look, Close]:
    """What looks at the connection's objects, and how to close it; raises ConfigError."""
    zone = workspace.workspace.timezone
    budget = Budget.of(pool, workspace.id, connection, timezone=zone)
    source = source_of(workspace, connection)
    if isinstance(connection, StripeConnection):
        assert isinstance(source, StripeContext)
        stripe = stripe_client(workspace.id, connection, max_connections=concurrency)
        return StripeLook(stripe, source, budget, concurrency=concurrency), stripe.aclose
    assert isinstance(source, HubSpotSource)
    hubspot = hubspot_client(
        workspace.id,
        connection,
        shelf=TokenStore.of(pool, workspace.id, connection),
        told=budget.told,
    )
    return HubSpotLook(hubspot, source.context, budget), hubspot.aclose
