"""`prometheus-targets.json`: what a Prometheus scrapes of a running deployment (file_sd)."""

import json
from collections.abc import Mapping

from plumbline_local.paths import Home, write_private


def write_targets(home: Home, listens: Mapping[str, str]) -> None:
    """Replace the home's targets: one per service, at its health address."""
    groups = [
        {"targets": [address], "labels": {"service": name}}
        for name, address in sorted(listens.items())
    ]
    write_private(home.targets_file, json.dumps(groups, indent=1) + "\n")
