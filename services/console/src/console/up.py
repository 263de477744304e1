"""`plumbline up`: Kafka, PostgreSQL, topics, migrations, configuration, every service."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

from plumbline_domain.policies import policy_of
from plumbline_local.deployment import Deployment, DeploymentError, ServiceSpec
from plumbline_local.identity import RootRefusedError
from plumbline_local.infrastructure import External
from plumbline_local.jars import JarError
from plumbline_local.kafka import KafkaError
from plumbline_local.paths import Cache, Home, HomeError, write_once, write_private
from plumbline_local.ports import NoFreePortError, keep_ports
from plumbline_local.postgres import PostgresError
from plumbline_local.readiness import NotReadyError
from plumbline_local.run import database_url
from plumbline_local.watch import ManagerEndedError
from plumbline_runtime.config import DeploymentConfig, load_config
from plumbline_runtime.tokens import KEYS_VARIABLE, Keys, new_key

from console.closed_off import tell_of_connections
from console.patience import ServerSilentError, until_it_answers
from console.publishing import apply_config
from console.reach import config_note, connected
from console.show import ERR, fail

SERVICES = {
    "ingest-webhooks": "ingest_webhooks.main",
    "matcher": "matcher.main",
    "writeback": "writeback.main",
    "reconciler": "reconciler.main",
}
CANNOT_RUN = (
    HomeError,
    JarError,
    KafkaError,
    PostgresError,
    RootRefusedError,
    NotReadyError,
    DeploymentError,
    ManagerEndedError,
    NoFreePortError,
    ServerSilentError,
)


def run_up(config: Path | None) -> int:
    """Run until SIGTERM or Ctrl-C; 1 when it can't."""
    place = config or Path(os.environ.get("PLUMBLINE_CONFIG") or "plumbline.toml")
    deployment = make_deployment(place.resolve(), Home.from_environment())
    try:
        asyncio.run(deployment.run(announce(deployment)))
    except CANNOT_RUN as error:
        fail(str(error))
        return 1
    return 0


def make_deployment(
    place: Path,
    home: Home,
    environment: Mapping[str, str] | None = None,
    *,
    only: Collection[str] = tuple(SERVICES),
) -> Deployment:
    """Wire a deployment of the configuration at `place`; `environment` goes to every service.

    `only` names the services that run, for a measurement of one of them.
    """
    config = load_config(place, check_policy=policy_of)
    check_secrets(config)
    home.ensure()
    write_private(config_note(home), f"{place}\n")
    listen = edge_listen(config, home)
    edge_url = f"http://{listen.replace('0.0.0.0', '127.0.0.1')}"  # noqa: S104 - compared, not bound
    external = External.from_environment()
    shared = {
        **token_keys(config, home, own_database=external.database_url is None),
        **(environment or {}),
        "PLUMBLINE_EDGE_LISTEN": listen,
        "PLUMBLINE_PUBLIC_URL": config.edge.public_url or edge_url,
    }
    services = [
        ServiceSpec(name, (sys.executable, "-m", module), shared, holds_signals=True)
        for name, module in SERVICES.items()
        if name in only
    ]
    return Deployment(
        home,
        Cache.from_environment(),
        services,
        prepare=prepare(config),
        config=place,
        edge_url=edge_url,
        external=external,
        progress=ERR.print,
    )


def check_secrets(config: DeploymentConfig) -> None:
    """Resolve every secret once, so that a missing one is said now and not in a service's log."""
    for workspace in config.workspaces:
        for connection in workspace.connections.values():
            for secret in connection.secrets().values():
                secret.resolve()


def token_keys(config: DeploymentConfig, home: Home, *, own_database: bool) -> dict[str, str]:
    """Keys that tokens are stored under, for the services; checked here so that `up` says it.

    Where none are given our own database gets keys of its own, made once and kept in the home; for
    somebody else's they must be given (ConfigError), since that database outlives the home.
    """
    if not any(
        connection.kind == "hubspot" and connection.oauth is not None
        for workspace in config.workspaces
        for connection in workspace.connections.values()
    ):
        return {}
    if os.environ.get(KEYS_VARIABLE) or not own_database:
        Keys.from_environment()
        return {}
    place = home.root / "keys"
    if not place.exists():
        write_once(place, f"{new_key()}\n")
    keys = ",".join(place.read_text(encoding="utf-8").split())
    Keys.from_environment({KEYS_VARIABLE: keys})  # says what is wrong with the file's keys
    return {KEYS_VARIABLE: keys}


def edge_listen(config: DeploymentConfig, home: Home) -> str:
    """Where the edge listens; port 0 becomes a free one that the home keeps."""
    host, _, port = config.edge.listen.rpartition(":")
    if port != "0":
        return config.edge.listen
    return f"{host}:{keep_ports(home, ('edge',))['edge']}"


def prepare(config: DeploymentConfig) -> Callable[[str, str], Awaitable[None]]:
    """Topics, tables, configuration: before any service starts."""

    async def prepared(kafka: str, database: str) -> None:
        from plumbline_runtime.migrations import migrate
        from plumbline_runtime.topics import ensure_topics

        prefix = os.environ.get("PLUMBLINE_TOPIC_PREFIX", "")
        await asyncio.gather(
            until_it_answers("Kafka", lambda: ensure_topics(kafka, prefix)),
            until_it_answers("PostgreSQL", lambda: migrate(database)),
        )

        async def apply() -> None:
            async with connected(database) as db:
                await apply_config(db, kafka, config, datetime.now(UTC))

        await until_it_answers("Kafka", apply)

    return prepared


def announce(deployment: Deployment) -> Callable[[], Awaitable[None]]:
    """Say when it is ready and where; `up` itself goes on until it is stopped."""

    async def story() -> None:
        connections = asyncio.create_task(
            tell_of_connections(lambda: database_url(deployment.current()), ERR.print)
        )
        try:
            await say_when_ready()
            await connections
        finally:
            connections.cancel()

    async def say_when_ready() -> None:
        began = asyncio.get_running_loop().time()
        waited = await until_ready(deployment)
        run = deployment.current()
        took = asyncio.get_running_loop().time() - began
        if waited:
            ERR.print(
                f"[green]ready[/green] after {took:.1f} s: webhooks at {run.edge_url}/webhooks/..."
            )

    return story


async def until_ready(deployment: Deployment, seconds: float = float("inf")) -> bool:
    """Poll the edge's readiness; tells every few seconds what is still missing."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    told = loop.time()
    while loop.time() < deadline:
        ready, missing = await asyncio.to_thread(ask_ready, deployment.current().edge_url or "")
        if ready:
            return True
        if loop.time() - told > 5:
            told = loop.time()
            ERR.print(f"waiting: {missing}")
        await asyncio.sleep(0.1)
    return False


def ask_ready(edge_url: str) -> tuple[bool, str]:
    """Whether the edge says ready, and else what it says is missing."""
    import urllib.error
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{edge_url}/health/ready", timeout=2) as answer:
            return answer.status == 200, ""
    except urllib.error.HTTPError as refused:
        return False, refused.read(500).decode(errors="replace")
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        return False, f"the edge does not answer yet ({error})"
