"""`plumbline identity explain`: files in, a decision in sentences or JSON out."""

import json
from pathlib import Path
from typing import Any

import pytest
from console.main import app
from typer.testing import CliRunner, Result

CUSTOMER = {
    "id": "cus_1",
    "object": "customer",
    "name": "Quilmark Foods GmbH",
    "email": "ap@quilmark.example",
    "address": {"city": "Jena", "country": "DE"},
    "metadata": {},
}
OWNER = {"id": "1", "properties": {"name": "Quilmark Foods", "domain": "quilmark.example"}}
OTHER = {"id": "2", "properties": {"name": "Quilmark Logistics", "domain": "qlog.example"}}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs the command on JSON values."""

    def runner(customer: Any, records: list[Any], *more: str) -> Result:
        place = tmp_path / "customer.json"
        place.write_text(json.dumps(customer))
        options = ["identity", "explain", "--customer", str(place)]
        for number, content in enumerate(records):
            file = tmp_path / f"records{number}.json"
            file.write_text(json.dumps(content))
            options += ["--records", str(file)]
        return CliRunner().invoke(app, [*options, *more])

    return runner


def test_sentences(run: Any) -> None:
    found = run(CUSTOMER, [{"results": [OWNER, OTHER]}])
    assert found.exit_code == 0
    first, second = found.output.splitlines()[:2]
    assert first == "cus_1: auto, record 1"
    assert "the e-mail domain quilmark.example is the record's" in second


def test_document_reproduces_its_score(run: Any) -> None:
    found = json.loads(run(CUSTOMER, [OWNER, [OTHER]], "--json").output)
    assert (found["outcome"], found["record"], found["method"]) == ("auto", "1", "evidence")
    for candidate in found["candidates"]:
        told = sum(piece["weight"] for piece in candidate["evidence"])
        assert candidate["score"] == found["bias"] + told
        assert all(piece["sentence"] for piece in candidate["evidence"])


def test_identifier_in_metadata_comes_first(run: Any) -> None:
    named = {**CUSTOMER, "email": None, "metadata": {"crm_id": "2"}}
    found = json.loads(run(named, [OWNER, OTHER], "--json").output)
    assert (found["record"], found["method"]) == ("2", "crm_id")


def test_plain_fields_will_do(run: Any) -> None:
    plain = {"crm_id": 7, "name": "Quilmark", "contact_emails": "ap@quilmark.example;x@b.example"}
    found = json.loads(run(CUSTOMER, [[plain]], "--json").output)
    assert (found["outcome"], found["record"]) == ("auto", "7")


@pytest.mark.parametrize(
    ("customer", "records", "name"),
    [
        ([CUSTOMER, CUSTOMER], [OWNER], "not_one_customer"),
        ({"name": "x"}, [OWNER], "no_id"),
        (CUSTOMER, [[OWNER, OWNER]], "twice"),
        (CUSTOMER, ["text"], "not_an_object"),
        ({**CUSTOMER, "name": ["x"]}, [OWNER], "not_text"),
        ({**CUSTOMER, "metadata": [1]}, [OWNER], "not_an_object"),
    ],
)
def test_bad_input_is_named_with_its_place(
    run: Any, customer: Any, records: list[Any], name: str
) -> None:
    found = run(customer, records)
    assert found.exit_code == 1
    assert found.output.startswith(f"{name}: ")
    assert ".json" in found.output
