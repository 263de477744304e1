"""Every shape of the table of cases gives one answer, whatever version of Stripe's API wrote it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plumbline_simulators.shapes.catalogue import SHAPES
from plumbline_simulators.shapes.rendering import rendered
from plumbline_simulators.shapes.shape import Shape

AT = "2026-11-20T12:00:00Z"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.row} {shape.title}")
def test_every_version_gives_the_same_answer(
    command: Any, folder: Callable[..., Path], shape: Shape
) -> None:
    places = [
        folder(*(rendered(one, version) for one in shape.objects), name=version)
        for version in shape.versions
    ]
    options = ["--json", "--at", AT, "--currency", "usd"]
    documents = command("mrr", "explain", *places, *options).documents
    assert len(documents) == len(shape.versions)
    assert {document["status"] for document in documents} <= {"ok", "incomplete"}
    assert all(document == documents[-1] for document in documents)
