"""Composition root: edge, observe, refresh and readers in one event loop.

`PLUMBLINE_ROLES` narrows what a process does: `edge`, `observe` (with refresh), `reader`.
"""

if __name__ == "__main__":
    from plumbline_runtime import early

    early.begin()

import sys
from functools import partial

from plumbline_runtime.config import (
    DeploymentConfig,
    HubSpotConnection,
    StripeConnection,
    Workspace,
)
from plumbline_runtime.postgres import connect
from plumbline_runtime.service import Runtime, run_service
from plumbline_schemas.topics import REFRESH_REQUESTS, WEBHOOKS_RECEIVED

from ingest_webhooks.consume import ObserveHandler
from ingest_webhooks.edge import Edge
from ingest_webhooks.endpoints import Endpoint, endpoints
from ingest_webhooks.metrics import begin_source
from ingest_webhooks.reader import Reader
from ingest_webhooks.ready import HeartbeatReadiness, required_conditions
from ingest_webhooks.refresh import RefreshHandler
from ingest_webhooks.refusals import RefusalWatch, Tally
from ingest_webhooks.settings import IngestSettings
from ingest_webhooks.vendors import look_for, sources_of

SERVICE = "ingest-webhooks"


async def build(runtime: Runtime) -> None:
    """Wire the roles this process plays; raises ConfigError for a missing secret."""
    settings = IngestSettings.from_environment()
    for workspace in runtime.config.workspaces:
        for name in workspace.connections:
            begin_source(f"{workspace.id}/{name}")
    readers: list[Reader] = []
    if "reader" in settings.roles:
        readers = _add_readers(runtime, settings)
    if "observe" in settings.roles:
        _add_observe(runtime, readers)
    if "edge" in settings.roles:
        _add_edge(runtime, settings)


def _add_edge(runtime: Runtime, settings: IngestSettings) -> None:
    routes: dict[str, Endpoint] = {}
    tally = Tally()
    watch = RefusalWatch(
        tally, runtime.pool, settings, stopping=runtime.stopping, wake=runtime.attention.wake
    )
    runtime.background("refusals", watch.run)
    edge = Edge(
        routes,
        runtime.producer,
        HeartbeatReadiness(
            runtime.pool,
            required_conditions(runtime.config),
            own=runtime.health,
            max_age=settings.heartbeat_max_age,
            cache_seconds=settings.ready_cache,
        ),
        settings,
        stopping=runtime.stopping.is_set,
        tally=tally,
    )
    runtime.serve(edge, runtime.config.edge.listen)
    # The address is bound but not yet served; port 0 has become a real one.
    bound = f"http://{runtime.servers[-1].address}"
    found = endpoints(
        runtime.config,
        public_url=runtime.config.edge.public_url or bound,
        tolerance_seconds=settings.signature_tolerance,
    )
    routes.update(found)
    runtime.log.info("edge_routes", paths=sorted(found))


def _add_observe(runtime: Runtime, readers: list[Reader]) -> None:
    sources = sources_of(runtime.config)

    def wake_readers() -> None:
        for reader in readers:
            reader.wake()

    observe = ObserveHandler(
        sources,
        pool=runtime.pool,
        producer=runtime.producer,
        dead_letters=runtime.dead_letters,
        wake_readers=wake_readers,
    )
    refresh = RefreshHandler(
        sources,
        pool=runtime.pool,
        dead_letters=runtime.dead_letters,
        wake_readers=wake_readers,
    )
    runtime.consume(WEBHOOKS_RECEIVED, group="observe", handler=observe, joined=True)
    runtime.consume(REFRESH_REQUESTS, group="refresh", handler=refresh, joined=True)


def _add_readers(runtime: Runtime, settings: IngestSettings) -> list[Reader]:
    readers = []
    for workspace in runtime.config.workspaces:
        for connection in workspace.connections.values():
            reader = _reader(runtime, settings, workspace, connection)
            runtime.background(f"reader:{reader.label}", reader.run)
            readers.append(reader)
    return readers


def _reader(
    runtime: Runtime,
    settings: IngestSettings,
    workspace: Workspace,
    connection: StripeConnection | HubSpotConnection,
) -> Reader:
    eyes = look_for(workspace, connection, pool=runtime.pool, concurrency=settings.read_concurrency)
    runtime.on_stop(eyes.close)

    return Reader(
        workspace.id,
        connection.name,
        connect=partial(connect, runtime.settings),
        look=eyes.look,
        publisher=runtime.producer,
        circuit=runtime.circuit(workspace.id, connection, role="reads", account=eyes.account),
        settings=settings,
        stopping=runtime.stopping,
    )


def main() -> int:
    """Run until SIGTERM; the exit code says whether it ended well."""
    return run_service(SERVICE, build, listens=_listens)


def _listens(config: DeploymentConfig) -> list[str]:
    """A vendor hears 503 while we wait for Kafka or PostgreSQL, never a refused connection."""
    roles = IngestSettings.from_environment().roles
    return [config.edge.listen] if "edge" in roles else []


if __name__ == "__main__":
    sys.exit(main())
