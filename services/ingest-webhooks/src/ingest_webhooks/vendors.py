"""From a configured connection to what understands its deliveries and looks at its objects."""

from collections.abc import Awaitable, Callable

import asyncpg
from plumbline_connectors.hubspot.client import HubSpotClient, OAuthGrant, open_hubspot
from plumbline_connectors.hubspot.translate import HubSpotContext
from plumbline_connectors.stripe.client import open_stripe
from plumbline_connectors.stripe.translate import StripeContext
from plumbline_runtime.budget import Budget
from plumbline_runtime.config import (
    DeploymentConfig,
    HubSpotConnection,
    StripeConnection,
    Workspace,
)

from ingest_webhooks.deliveries import Source
from ingest_webhooks.endpoints import read_secret
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
        return StripeContext(
            workspace.id,
            connection.name,
            connection.mode == "live",
            connection.metadata.crm_id,
            connection.metadata.company,
        )
    return HubSpotSource(
        HubSpotContext(workspace.id, connection.name, dict(workspace.fields.items())),
        connection.portal_id,
    )


def look_for(
    workspace: Workspace,
    connection: StripeConnection | HubSpotConnection,
    *,
    pool: asyncpg.Pool,
    concurrency: int,
) -> tuple[Look, Close]:
    """What looks at the connection's objects, and how to close it; raises ConfigError."""
    rate = connection.requests_per_second
    budget = Budget(pool, workspace.id, connection.name, rate_per_second=rate, burst=max(1.0, rate))
    source = source_of(workspace, connection)
    if isinstance(connection, StripeConnection):
        assert isinstance(source, StripeContext)
        stripe = open_stripe(
            api_base=connection.api_base,
            api_key=read_secret(
                connection.api_key, Source(workspace.id, connection.name, "stripe"), "api_key"
            ),
            where=f"{workspace.id}/{connection.name}",
            max_connections=concurrency,
        )
        return StripeLook(stripe, source, budget, concurrency=concurrency), stripe.aclose
    assert isinstance(source, HubSpotSource)
    hubspot = _open_hubspot(workspace, connection)
    return HubSpotLook(hubspot, source.context, budget), hubspot.aclose


def _open_hubspot(workspace: Workspace, connection: HubSpotConnection) -> HubSpotClient:
    source = Source(workspace.id, connection.name, "hubspot")
    token, oauth = connection.access_token, connection.oauth
    grant = None
    if oauth is not None:
        grant = OAuthGrant(
            read_secret(oauth.client_id, source, "oauth.client_id"),
            read_secret(oauth.client_secret, source, "oauth.client_secret"),
            read_secret(oauth.refresh_token, source, "oauth.refresh_token"),
        )
    return open_hubspot(
        api_base=connection.api_base,
        layout=connection.api_layout,
        where=source.label,
        access_token=None if token is None else read_secret(token, source, "access_token"),
        oauth=grant,
    )
