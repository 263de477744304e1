"""Connections of the deployment file: one model per vendor, every key of design 9."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from plumbline_runtime.config_checks import (
    check_api_base,
    check_name,
    check_not_empty,
    check_portal_id,
)
from plumbline_runtime.secrets import SecretRef


class Section(BaseModel):
    """A table of the file: frozen, and a key it doesn't know is an error.

    Strict, since TOML has types: "yes" is no bool. Lists become tuples, the one thing TOML lacks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StripeMetadata(Section):
    """Stripe metadata keys that mean these."""

    crm_id: Annotated[str, AfterValidator(check_not_empty)] = "crm_id"
    company: Annotated[str, AfterValidator(check_not_empty)] = "company"
    tax_id: Annotated[str, AfterValidator(check_not_empty)] = "tax_id"


ScopeId = Annotated[str, AfterValidator(check_not_empty)]


class StripeScope(Section):
    """What counts; empty means all."""

    products: tuple[ScopeId, ...] = Field(default=(), strict=False)
    lookup_keys: tuple[ScopeId, ...] = Field(default=(), strict=False)


class _Connection(Section):
    name: Annotated[str, AfterValidator(check_name)]


def _at_least_one(secrets: tuple[SecretRef, ...]) -> tuple[SecretRef, ...]:
    if not secrets:
        raise ValueError('expected at least one reference, such as ["env:NAME"]')
    return secrets


class StripeConnection(_Connection):
    """One Stripe account in one mode."""

    kind: Literal["stripe"]
    mode: Literal["live", "test"]
    api_key: SecretRef
    webhook_secrets: Annotated[
        tuple[SecretRef, ...], Field(strict=False), AfterValidator(_at_least_one)
    ]
    api_base: str = "https://api.stripe.com"
    scope: StripeScope = StripeScope()
    metadata: StripeMetadata = StripeMetadata()

    @property
    def requests_per_second(self) -> float:
        """With `burst` never more than 25 in a second, the limit of an endpoint (vendors 1.8)."""
        return 20.0

    @property
    def burst(self) -> float:
        """Requests that may go out at once after a pause."""
        return 5.0

    @property
    def daily_limit(self) -> None:
        """Stripe has none (vendors 1.8)."""

    def secrets(self) -> dict[str, SecretRef]:
        """Every secret the connection names, by key."""
        signing = {f"webhook_secrets[{n}]": one for n, one in enumerate(self.webhook_secrets)}
        return {"api_key": self.api_key, **signing}

    @model_validator(mode="after")
    def _safe_address(self) -> "StripeConnection":
        check_api_base(self.api_base, test_mode=self.mode == "test")
        return self


class HubSpotOAuth(Section):
    """Credentials of an OAuth app, instead of an access token."""

    client_id: SecretRef
    client_secret: SecretRef
    refresh_token: SecretRef


class HubSpotConnection(_Connection):
    """One HubSpot portal."""

    kind: Literal["hubspot"]
    access_token: SecretRef | None = None
    oauth: HubSpotOAuth | None = None
    client_secret: SecretRef | None = None
    """Signs webhooks."""
    portal_id: Annotated[str, AfterValidator(check_portal_id)] | None = None
    mode: Literal["live", "test"] = "live"
    api_layout: Literal["v3", "2026-03"] = "v3"
    default_record: Literal["company", "contact"] = "company"
    """Where a customer goes that tells neither a company nor a person; people go to contacts once
    `[fields.contact]` is there (features L3)."""
    api_base: str = "https://api.hubapi.com"
    rate_per_10_seconds: int = Field(default=100, ge=1, le=1900)
    """Requests we may use of the vendor's limit (design 7)."""
    daily_limit: int | None = Field(default=None, ge=1)
    """Requests we may use in a day; without it what the vendor tells is the limit."""

    @property
    def requests_per_second(self) -> float:
        """With `burst` never more than `rate_per_10_seconds` in any ten seconds (vendors 2.6)."""
        return max(self.rate_per_10_seconds - self.burst, 0.5) / 10

    @property
    def burst(self) -> float:
        """Requests that may go out at once after a pause."""
        return max(1.0, self.rate_per_10_seconds / 20)

    def secrets(self) -> dict[str, SecretRef]:
        """Every secret the connection names, by key."""
        named = {"access_token": self.access_token, "client_secret": self.client_secret}
        if self.oauth is not None:
            named["oauth.client_id"] = self.oauth.client_id
            named["oauth.client_secret"] = self.oauth.client_secret
            named["oauth.refresh_token"] = self.oauth.refresh_token
        return {key: secret for key, secret in named.items() if secret is not None}

    @model_validator(mode="after")
    def _one_credential(self) -> "HubSpotConnection":
        if (self.access_token is None) == (self.oauth is None):
            found = "neither" if self.oauth is None else "both"
            raise ValueError(f"access_token: found {found}, expected either access_token or oauth")
        check_api_base(self.api_base, test_mode=self.mode == "test")
        return self
