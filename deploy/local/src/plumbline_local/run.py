"""`run.json`: what runs on a home. Written by the deployment, read by every other command."""

from datetime import datetime
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from plumbline_local.paths import Home, write_private

ServiceState = Literal["up", "starting", "down"]


class RunKafka(BaseModel):
    """The broker; `pid` is None when it is not ours."""

    model_config = ConfigDict(frozen=True)

    bootstrap_servers: str
    pid: int | None


class RunPostgres(BaseModel):
    """The database, without its password: `url_file` (mode 0600) holds the whole address."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    database: str
    user: str
    url_file: Path
    pid: int | None


class RunService(BaseModel):
    """One supervised service. `restarts` counts since `up`; `pid` is None while it is down."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int | None
    state: ServiceState
    restarts: int
    health_url: str
    log: Path


class Run(BaseModel):
    """A running deployment; `pid` is the process of `plumbline up`."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    pid: int
    edge_url: str | None
    kafka: RunKafka
    postgres: RunPostgres
    services: tuple[RunService, ...]
    started_at: datetime


def write_run(home: Home, run: Run) -> None:
    """Replace the home's run.json in one step."""
    write_private(home.run_file, run.model_dump_json(indent=1) + "\n")


def read_run(home: Home) -> Run | None:
    """What runs on the home; None when nothing does, also when a killed `up` left its file
    behind."""
    try:
        run = Run.model_validate_json(home.run_file.read_bytes())
    except FileNotFoundError:
        return None
    return run if _lives(run) else None


def _lives(run: Run) -> bool:
    """The pid exists and is no later process that was given the same number."""
    try:
        process = psutil.Process(run.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.create_time() <= run.started_at.timestamp() + 1
    except psutil.NoSuchProcess:
        return False


def database_url(run: Run) -> str:
    """The database's address with its password. Raises FileNotFoundError when the run has just
    ended."""
    return run.postgres.url_file.read_text(encoding="utf-8").strip()
