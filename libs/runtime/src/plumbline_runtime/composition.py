"""What a service's composition root registers its parts with."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import structlog
from plumbline_schemas.topics import Topic
from starlette.types import ASGIApp

from plumbline_runtime.attention import AttentionDesk
from plumbline_runtime.circuit import AccountCheck, Circuit
from plumbline_runtime.config import DeploymentConfig, HubSpotConnection, StripeConnection
from plumbline_runtime.dead_letters import DeadLetters
from plumbline_runtime.doorway import Front
from plumbline_runtime.health import Health
from plumbline_runtime.letter_clerk import LetterClerk
from plumbline_runtime.logging import get_logger
from plumbline_runtime.pins import configured
from plumbline_runtime.producer import Producer
from plumbline_runtime.records import BatchHandler
from plumbline_runtime.servers import HttpServer
from plumbline_runtime.settings import Settings
from plumbline_runtime.supervisor import Supervisor

if TYPE_CHECKING:
    import asyncpg

    from plumbline_runtime.consumption import Consumption


class Runtime:
    """What a composition root builds on; what it registers starts after `build` has returned."""

    def __init__(
        self,
        *,
        settings: Settings,
        config: DeploymentConfig,
        pool: "asyncpg.Pool",
        producer: Producer,
        health: Health,
        supervisor: Supervisor,
        fronts: Mapping[str, Front] | None = None,
    ) -> None:
        self.settings = settings
        self.config = config
        self.pool = pool
        self.producer = producer
        self.dead_letters = DeadLetters(producer, settings, pool, health)
        self.health = health
        self.stopping = supervisor.stopping
        self.attention = AttentionDesk(pool, producer, supervisor.stopping)
        self.log: structlog.typing.FilteringBoundLogger = get_logger()
        self.consumers: list[Consumption] = []
        self.servers: list[HttpServer] = []
        self.backgrounds: dict[str, Callable[[], Awaitable[None]]] = {}
        self.callbacks: list[Callable[[], Awaitable[None]]] = []
        self._supervisor = supervisor
        self._fronts = fronts or {}

    def consume(
        self,
        topic: Topic,
        *,
        group: str,
        handler: BatchHandler,
        joined: bool = False,
        spacing_ms: int | None = None,
    ) -> None:
        """Consume a topic by the rules of design 11; the handler moves the position.

        `joined` hands all partitions of a poll over as one batch, with one commit for all of them:
        for handlers that don't mind which partition a record is from. `spacing_ms` replaces the
        setting `batch_spacing_ms` for a consumer that nobody waits for.
        """
        # FastStream takes a second to import, so a service without consumers doesn't.
        from plumbline_runtime.consumption import Consumption  # noqa: PLC0415

        self.consumers.append(
            Consumption(
                topic,
                group=group,
                handler=handler,
                settings=self.settings,
                pool=self.pool,
                dead_letters=self.dead_letters,
                health=self.health,
                stopping=self.stopping,
                failed=self._supervisor.fail,
                joined=joined,
                spacing_ms=spacing_ms,
            )
        )

    def background(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run something for the process's life.

        Its failure ends the process. At the stop it may end by itself, so it should watch
        `stopping`; after `drain_seconds` it is cancelled.
        """
        if name in self.backgrounds:
            raise ValueError(f"background task {name!r} is registered twice")
        self.backgrounds[name] = run

    def circuit(
        self,
        workspace: str,
        connection: StripeConnection | HubSpotConnection,
        *,
        role: str,
        account: AccountCheck,
    ) -> Circuit:
        """The circuit of a configured connection as this process's `role` sees it."""
        return Circuit(
            self.pool,
            workspace,
            connection.name,
            role=role,
            account=account,
            expected=configured(connection),
            retry_seconds=self.settings.circuit_retry_seconds,
            health=self.health,
            wake=self.attention.wake,
        )

    def keep_letters(self) -> None:
        """Register what dead letters need, once the consumers are known."""
        if not self.consumers:
            return
        brakes = self.dead_letters.brakes
        self.background("brakes", lambda: brakes.run(self.stopping))
        own = [
            consumption.topic
            for consumption in self.consumers
            if consumption.topic.dead_letters
            and consumption.topic.consumers[0] == self.settings.service
        ]
        if own:
            clerk = LetterClerk(
                own,
                settings=self.settings,
                pool=self.pool,
                desk=self.attention,
                stopping=self.stopping,
            )
            self.background("letters", clerk.run)

    def serve(self, app: ASGIApp, listen: str) -> None:
        """Serve HTTP on an address of its own; the port is bound at once, port 0 is a free one.

        An address that the process listens on from its start answers with `app` from now on.
        """
        if (front := self._fronts.get(listen)) is not None:
            front.doorway.open(app)
            self.servers.append(front.server)
            return
        server = HttpServer(app, listen)
        self.log.info("http_bound", address=server.address)
        self.servers.append(server)

    def on_stop(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Call back when everything has stopped, before the producer and the pool close."""
        self.callbacks.append(callback)
