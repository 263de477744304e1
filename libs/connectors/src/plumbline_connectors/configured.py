"""From a configured connection to its client: the one place that knows which key means what.

The configuration's models live in `plumbline_runtime`, which this package does not import: the
protocols below say what a connection must have.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from plumbline_connectors.accounts import AccountCheck
from plumbline_connectors.hubspot.client import HubSpotClient, OAuthGrant, open_hubspot
from plumbline_connectors.hubspot.layouts import Layout
from plumbline_connectors.hubspot.oauth import TokenShelf
from plumbline_connectors.hubspot.translate import HubSpotContext
from plumbline_connectors.stripe.client import StripeClient, open_stripe
from plumbline_connectors.stripe.translate import StripeContext


class Secret(Protocol):
    """A reference that becomes a value only here."""

    def resolve(self) -> str:
        """The value; raises the configuration's error when there is none."""


class StripeMetadataKeys(Protocol):
    """Stripe metadata keys that mean something to us."""

    @property
    def crm_id(self) -> str:
        """Key whose value is a CRM record's id."""

    @property
    def company(self) -> str:
        """Key whose value is a company's name."""

    @property
    def tax_id(self) -> str:
        """Key whose value is a tax id."""


class StripeConfigured(Protocol):
    """A configured Stripe connection."""

    @property
    def name(self) -> str:
        """The connection's name."""

    @property
    def mode(self) -> str:
        """live or test."""

    @property
    def api_key(self) -> Secret:
        """Restricted key."""

    @property
    def api_base(self) -> str:
        """Any server that speaks Stripe's API."""

    @property
    def metadata(self) -> StripeMetadataKeys:
        """Metadata keys."""


class OAuthConfigured(Protocol):
    """Credentials of an OAuth app."""

    @property
    def client_id(self) -> Secret:
        """The app."""

    @property
    def client_secret(self) -> Secret:
        """Its secret."""

    @property
    def refresh_token(self) -> Secret:
        """What access tokens are made from."""


class HubSpotConfigured(Protocol):
    """A configured HubSpot connection."""

    @property
    def name(self) -> str:
        """The connection's name."""

    @property
    def access_token(self) -> Secret | None:
        """Static token, or None with `oauth`."""

    @property
    def oauth(self) -> OAuthConfigured | None:
        """OAuth app, or None with `access_token`."""

    @property
    def api_base(self) -> str:
        """Any server that speaks HubSpot's API."""

    @property
    def api_layout(self) -> Layout:
        """Which paths to use."""


def stripe_context(workspace: str, connection: StripeConfigured) -> StripeContext:
    """What translation needs to know of the connection."""
    return StripeContext(
        workspace,
        connection.name,
        connection.mode == "live",
        connection.metadata.crm_id,
        connection.metadata.company,
        connection.metadata.tax_id,
    )


def stripe_client(
    workspace: str, connection: StripeConfigured, *, max_connections: int = 8
) -> StripeClient:
    """A client with the connection's own key; close it with `aclose`."""
    return open_stripe(
        api_base=connection.api_base,
        api_key=connection.api_key.resolve(),
        where=f"{workspace}/{connection.name}",
        max_connections=max_connections,
    )


def hubspot_context(
    workspace: str,
    connection: HubSpotConfigured,
    mapping: Mapping[str, Mapping[str, str]],
    *,
    tax_id_property: str | None = None,
) -> HubSpotContext:
    """What translation needs to know of the connection."""
    return HubSpotContext(workspace, connection.name, mapping, tax_id_property)


def hubspot_client(
    workspace: str,
    connection: HubSpotConfigured,
    *,
    shelf: TokenShelf | None = None,
    told: Callable[[int, int], None] | None = None,
    timeout_seconds: float = 15.0,
) -> HubSpotClient:
    """A client with the connection's own credentials; close it with `aclose`.

    `shelf` keeps the tokens of an OAuth app; `told` hears of the daily quota.
    """
    token, oauth = connection.access_token, connection.oauth
    return open_hubspot(
        api_base=connection.api_base,
        layout=connection.api_layout,
        where=f"{workspace}/{connection.name}",
        access_token=None if token is None else token.resolve(),
        oauth=None
        if oauth is None
        else OAuthGrant(
            oauth.client_id.resolve(), oauth.client_secret.resolve(), oauth.refresh_token.resolve()
        ),
        shelf=shelf,
        told=told,
        timeout_seconds=timeout_seconds,
    )


def stripe_check(
    workspace: str,
    connection: StripeConfigured,
    working: StripeClient,
    acquire: Callable[[], Awaitable[None]],
) -> AccountCheck[StripeClient]:
    """Which account the connection's key opens, read afresh each time, for `working` to use."""

    def fresh() -> StripeClient:
        return stripe_client(workspace, connection, max_connections=1)

    return AccountCheck(working, fresh, acquire)


def hubspot_check(
    workspace: str,
    connection: HubSpotConfigured,
    working: HubSpotClient,
    acquire: Callable[[], Awaitable[None]],
    shelf: TokenShelf | None = None,
    *,
    told_zone: Callable[[str], Awaitable[None]] | None = None,
) -> AccountCheck[HubSpotClient]:
    """Which portal the credentials open, read afresh each time, for `working` to use."""

    def fresh() -> HubSpotClient:
        return hubspot_client(workspace, connection, shelf=shelf)

    return AccountCheck(working, fresh, acquire, told_zone)
