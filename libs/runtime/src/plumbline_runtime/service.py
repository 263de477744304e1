"""One service process from start to exit; `main.py` of a service calls `run_service`."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Final

import uvloop

from plumbline_runtime import failpoints
from plumbline_runtime.composition import Runtime
from plumbline_runtime.config import DeploymentConfig, load_config
from plumbline_runtime.logging import configure_logging
from plumbline_runtime.process import Build, Process
from plumbline_runtime.secrets import ConfigError
from plumbline_runtime.settings import Settings
from plumbline_runtime.supervisor import Supervisor

__all__ = ["Runtime", "run_service"]

_STOPPED: Final = 0
_FAILED: Final = 1
_WRONGLY_CONFIGURED: Final = 2


def run_service(
    name: str, build: Build, *, listens: Callable[[DeploymentConfig], Sequence[str]] | None = None
) -> int:
    """Run until SIGTERM; returns the exit code: 0 stopped, 1 failed, 2 wrongly configured.

    `build` registers consumers, background tasks and servers; it runs once Kafka and PostgreSQL
    answer, and both are waited for as long as it takes. The addresses of `listens` are listened on
    from the start; they answer 503 until `build` has given them an app with `Runtime.serve`.
    """
    try:
        settings = Settings.from_environment(name)
        configure_logging(name, level=settings.log_level, instance=settings.instance)
        failpoints.arm()
        config = load_config()
        addresses = () if listens is None else tuple(listens(config))
    except ConfigError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - the operator looks here first
        return _WRONGLY_CONFIGURED
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(settings, config, build, addresses))


async def _main(
    settings: Settings, config: DeploymentConfig, build: Build, listens: Sequence[str]
) -> int:
    supervisor = Supervisor(settings.shutdown_seconds)
    supervisor.install_signals()
    try:
        await Process(settings, config, build, supervisor, listens).run()
    finally:
        supervisor.remove_signals()
    if supervisor.failure is None:
        return _STOPPED
    return _WRONGLY_CONFIGURED if isinstance(supervisor.failure, ConfigError) else _FAILED
