"""`[policies]` of the deployment file: how the workspace wants it done."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal

from plumbline_schemas.internal import AT_RISK, AtRiskTrigger, Switch
from pydantic import AfterValidator, BeforeValidator, Field

from plumbline_runtime.config_checks import check_property
from plumbline_runtime.connections import Section

PolicyCheck = Callable[[Mapping[str, Switch]], object]
"""Raises ValueError, naming it, for a table of switches that is no policy."""

DEFAULT_MRR: Final = "plumbline"
MRR_PRESETS: Final = (DEFAULT_MRR, "stripe_default", "chartmogul", "baremetrics", "profitwell")
"""The named definitions of MRR (billing, "MRR"); a table starts from one of them, its `base`."""


def _check_mrr(value: object) -> object:
    """A preset's name, or a table of plain switches; which ones there are the domain knows."""
    if isinstance(value, dict):
        _check_switches(value)
        return value
    if value not in MRR_PRESETS:
        raise ValueError(f"expected one of {', '.join(MRR_PRESETS)}, or a table of switches")
    return value


def _check_switches(table: Mapping[str, object]) -> None:
    base = table.get("base", DEFAULT_MRR)
    if base not in MRR_PRESETS:
        raise ValueError(f"base: found {base!r}, expected one of {', '.join(MRR_PRESETS)}")
    for name, value in table.items():
        if not isinstance(value, str | int | bool):
            raise ValueError(  # noqa: TRY004 - what a validator raises
                f"{name}: expected a text in quotes, a whole number, or true or false"
            )


def _check_at_risk(triggers: tuple[AtRiskTrigger, ...]) -> tuple[AtRiskTrigger, ...]:
    """In one order, each once, so that the log sees no change where there is none."""
    return tuple(trigger for trigger in AT_RISK if trigger in triggers)


SaidOfDomain = Literal["company", "personal", "hub", "own"]
"""A company's; anybody's mailboxes; an agency's or bookkeeper's; the workspace's own."""
_DOMAIN: Final = re.compile(r"(?=.{4,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")


def _check_domains(said: dict[str, SaidOfDomain]) -> dict[str, SaidOfDomain]:
    for name in said:
        if not _DOMAIN.fullmatch(name):
            raise ValueError(
                f"{name!r}: expected a domain in lower case such as 'acme.example',"
                " one of other letters in its xn-- form"
            )
    return said


class IdentityPolicy(Section):
    """Probabilities from which a match is made or asked about (left out: as the weights have it),
    and where the CRM keeps what identifies a company."""

    auto_at: Annotated[float, Field(ge=0, le=1)] | None = None
    review_at: Annotated[float, Field(ge=0, le=1)] | None = None
    tax_id_property: Annotated[str, AfterValidator(check_property)] | None = None
    """The CRM property of companies that holds their tax id; there is no standard one."""
    domains: Annotated[dict[str, SaidOfDomain], AfterValidator(_check_domains)] = Field(
        default_factory=dict
    )
    """What the workspace says of domains, over the shipped lists."""


class Policies(Section):
    """How the workspace wants it done; what no service does yet is refused, not ignored."""

    mrr: Annotated[str | dict[str, Switch], BeforeValidator(_check_mrr)] = DEFAULT_MRR
    """A preset's name, or a table: `base`, the preset it starts from, and switches."""
    at_risk: Annotated[
        tuple[AtRiskTrigger, ...], Field(strict=False), AfterValidator(_check_at_risk)
    ] = AT_RISK
    """What makes a customer at_risk."""
    unmatched: Literal["leave", "review", "create", "hybrid"] = "review"
    """What becomes of customers without a CRM record; only the last two create any."""
    identity: IdentityPolicy = IdentityPolicy()
    personal_domains: Literal["skip", "match"] = "skip"
    conflict: Literal["overwrite", "keep", "queue"] = "overwrite"
    first_write: Literal["plan", "auto"] = "plan"
    dry_run: bool = False
