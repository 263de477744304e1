"""The deployment file of design 9, as frozen models; its connections are in `connections`."""

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import available_timezones

from plumbline_schemas.fields import default_mapping
from plumbline_schemas.internal import ConfigConnection, ConnectionScope, WorkspaceConfig
from pydantic import AfterValidator, Field, model_validator

from plumbline_runtime.config_checks import (
    check_currency,
    check_field_names,
    check_listen,
    check_name,
    check_public_url,
)
from plumbline_runtime.config_files import Document, build, read_documents
from plumbline_runtime.connections import (
    HubSpotConnection,
    HubSpotOAuth,
    Section,
    StripeConnection,
    StripeMetadata,
    StripeScope,
)
from plumbline_runtime.policies import Policies, PolicyCheck
from plumbline_runtime.rates_section import RatesSection
from plumbline_runtime.secrets import ConfigError, SecretRef

__all__ = [
    "ConfigError",
    "Connection",
    "DeploymentConfig",
    "EdgeConfig",
    "HubSpotConnection",
    "HubSpotOAuth",
    "Policies",
    "RatesSection",
    "SecretRef",
    "StripeConnection",
    "StripeMetadata",
    "StripeScope",
    "Workspace",
    "WorkspaceSection",
    "load_config",
    "log_config",
]

DEFAULT_PATH: Final = "plumbline.toml"


class EdgeConfig(Section):
    """Where webhooks arrive. `public_url` is what the vendors call; HubSpot signs it."""

    listen: Annotated[str, AfterValidator(check_listen)] = "127.0.0.1:8080"
    public_url: Annotated[str, AfterValidator(check_public_url)] | None = None


class WorkspaceSection(Section):
    """Who the workspace is."""

    id: Annotated[str, AfterValidator(check_name)]
    timezone: str = "UTC"
    currency: Annotated[str, AfterValidator(check_currency)]
    """ISO 4217, stored in lower case as Stripe writes it."""
    clock: str | None = None
    """Connection whose `Date` drives ticks; test mode only (design 5)."""

    @model_validator(mode="after")
    def _known_timezone(self) -> "WorkspaceSection":
        if self.timezone not in available_timezones():
            raise ValueError(
                f"timezone: found {self.timezone!r}, expected an IANA name such as Europe/Berlin"
            )
        return self


Connection = Annotated[StripeConnection | HubSpotConnection, Field(discriminator="kind")]


RecordKind = Literal["company", "contact"]


def _default_fields() -> dict[RecordKind, dict[str, str]]:
    return {"company": default_mapping()}


class Workspace(Section):
    """One file: one workspace."""

    workspace: WorkspaceSection
    connections: dict[str, Connection] = Field(default_factory=dict)
    policies: Policies = Policies()
    rates: RatesSection | None = None
    """None: no exchange rates, so only amounts in the workspace's currency have a value."""
    fields: dict[RecordKind, dict[str, str]] = Field(default_factory=_default_fields)
    """Per record kind: our field -> vendor property."""

    @model_validator(mode="before")
    @classmethod
    def _name_connections(cls, data: Any) -> Any:
        connections = data.get("connections") if isinstance(data, dict) else None
        if not isinstance(connections, dict):
            return data
        for name, section in connections.items():
            if isinstance(section, dict) and "name" in section:
                raise ValueError(
                    f"connections.{name}.name: unknown key, expected the name only in "
                    f"[connections.{name}]"
                )
        named = {
            name: {**section, "name": name} if isinstance(section, dict) else section
            for name, section in connections.items()
        }
        return {**data, "connections": named}

    @model_validator(mode="after")
    def _consistent(self) -> "Workspace":
        crms = [name for name, c in self.connections.items() if c.kind == "hubspot"]
        if len(crms) > 1:
            raise ValueError(
                f"connections: found {len(crms)} CRM connections ({', '.join(sorted(crms))}), "
                f"expected at most one in a workspace"
            )
        check_field_names({str(kind): mapping for kind, mapping in self.fields.items()})
        self._check_clock()
        return self

    def _check_clock(self) -> None:
        clock = self.workspace.clock
        if clock is None:
            return
        connection = self.connections.get(clock)
        if connection is None:
            names = ", ".join(sorted(self.connections)) or "none"
            raise ValueError(
                f"workspace.clock: found {clock!r}, expected the name of a connection ({names})"
            )
        if connection.mode != "test":
            raise ValueError(
                f"workspace.clock: found {clock!r}, whose mode is {connection.mode}, expected a "
                f'connection with mode = "test"'
            )

    @property
    def id(self) -> str:
        """The workspace's id."""
        return self.workspace.id

    @property
    def crm(self) -> HubSpotConnection | None:
        """The CRM connection, if there is one."""
        found = (c for c in self.connections.values() if isinstance(c, HubSpotConnection))
        return next(found, None)

    @property
    def billing(self) -> list[StripeConnection]:
        """The billing connections, by name."""
        found = (c for c in self.connections.values() if isinstance(c, StripeConnection))
        return sorted(found, key=lambda connection: connection.name)


class DeploymentConfig(Section):
    """Everything one deployment runs."""

    edge: EdgeConfig = EdgeConfig()
    workspaces: tuple[Workspace, ...] = ()

    def workspace(self, workspace_id: str) -> Workspace | None:
        """The workspace of that id, or None."""
        return next((w for w in self.workspaces if w.id == workspace_id), None)

    def connection(
        self, workspace_id: str, name: str
    ) -> StripeConnection | HubSpotConnection | None:
        """A connection of a workspace, or None when either is unknown."""
        workspace = self.workspace(workspace_id)
        return None if workspace is None else workspace.connections.get(name)


def load_config(
    path: Path | None = None, *, check_policy: PolicyCheck | None = None
) -> DeploymentConfig:
    """Read a file, or every `*.toml` of a folder; raises ConfigError.

    Without `path` PLUMBLINE_CONFIG names it, else `plumbline.toml` in the working directory.
    PLUMBLINE_EDGE_LISTEN and PLUMBLINE_PUBLIC_URL override `[edge]`. No secret is resolved here.
    `check_policy` knows the switches of `policies.mrr`: who publishes the configuration gives it.
    """
    place = path or Path(os.environ.get("PLUMBLINE_CONFIG") or DEFAULT_PATH)
    documents = read_documents(place)
    edges = [document for document in documents if "edge" in document.content]
    if len(edges) > 1:
        raise ConfigError(
            f"{edges[1].file}: [edge]: found it in {edges[0].file} too, expected it in one file"
        )
    workspaces = tuple(
        _located(document.file, build(Workspace, document.without("edge")), check_policy)
        for document in documents
        if document.content.keys() - {"edge"}
    )
    if not workspaces:
        raise ConfigError(f"{place}: found no workspace, expected a file with [workspace]")
    _refuse_twins(documents, workspaces)
    return DeploymentConfig(edge=_edge(edges, place), workspaces=workspaces)


def _located(file: Path | str, workspace: Workspace, check: PolicyCheck | None) -> Workspace:
    """Tell each reference where it stands, for the message when it can't be resolved."""
    for name, connection in workspace.connections.items():
        for key, secret in connection.secrets().items():
            secret.where = f"{file}: connections.{name}.{key}"
    mrr = workspace.policies.mrr
    if check is not None and not isinstance(mrr, str):
        try:
            check(mrr)
        except ValueError as error:
            raise ConfigError(f"{file}: policies.mrr: {error}") from None
    if workspace.rates is None:
        return workspace
    rates = workspace.rates.beside(Path(file).resolve().parent)
    return workspace.model_copy(update={"rates": rates})


def _edge(edges: list[Document], place: Path) -> EdgeConfig:
    overrides = {
        key: os.environ[variable]
        for key, variable in (
            ("listen", "PLUMBLINE_EDGE_LISTEN"),
            ("public_url", "PLUMBLINE_PUBLIC_URL"),
        )
        if os.environ.get(variable)
    }
    section = edges[0].section("edge") if edges else Document(place, {}, "edge")
    edge = build(EdgeConfig, section)
    if not overrides:
        return edge
    return build(
        EdgeConfig, Document("environment", edge.model_dump(exclude_none=True) | overrides, "edge")
    )


def _refuse_twins(documents: list[Document], workspaces: tuple[Workspace, ...]) -> None:
    files = [d.file for d in documents if d.content.keys() - {"edge"}]
    first: dict[str, object] = {}
    for file, workspace in zip(files, workspaces, strict=True):
        if workspace.id in first:
            raise ConfigError(
                f"{file}: workspace.id: found {workspace.id!r}, which {first[workspace.id]} "
                f"has too; expected one file per workspace"
            )
        first[workspace.id] = file


def log_config(workspace: Workspace) -> WorkspaceConfig:
    """What enters the workspace's log: all that changes results, no secret, no address."""
    policies = workspace.policies
    return WorkspaceConfig(
        currency=workspace.workspace.currency,
        timezone=workspace.workspace.timezone,
        connections=tuple(
            ConfigConnection(
                name=name,
                kind=connection.kind,
                mode=connection.mode,
                default_record=_default_record(connection),
                scope=_scope(connection),
            )
            for name, connection in sorted(workspace.connections.items())
        ),
        **policies.model_dump(),
        fields={str(kind): dict(mapping) for kind, mapping in workspace.fields.items()},
    )


def _default_record(
    connection: StripeConnection | HubSpotConnection,
) -> Literal["company", "contact"] | None:
    """None where it says nothing new, so that the log of before sees no change."""
    found = connection.default_record if isinstance(connection, HubSpotConnection) else "company"
    return None if found == "company" else found


def _scope(connection: StripeConnection | HubSpotConnection) -> ConnectionScope:
    if isinstance(connection, HubSpotConnection):
        return ConnectionScope()
    products, lookup_keys = connection.scope.products, connection.scope.lookup_keys
    return ConnectionScope(
        products=tuple(sorted(set(products))), lookup_keys=tuple(sorted(set(lookup_keys)))
    )
