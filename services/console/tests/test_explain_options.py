"""The options of `mrr explain` and the keys of `--json`, which are a contract."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Folder = Callable[..., Path]
KEYS = {
    "mrr",
    "exact",
    "status",
    "missing",
    "plan",
    "payment_status",
    "state",
    "stage",
    "items",
}
RATES = "Date,USD,JPY,BGN\n2026-01-09,1.10,160,N/A\n2026-01-08,1.08,159,1.9558\n"


def in_euro(stripe: Any, identity: str = "sub_1") -> Any:
    item = stripe.item(stripe.price(currency="eur", identity=f"price_{identity}"))
    return stripe.subscription(item, currency="eur", id=identity)


def test_the_document_has_the_keys_of_the_contract(explain: Any, stripe: Any) -> None:
    item = stripe.item(stripe.price(10000, interval="year", lookup_key="gold"))
    found = explain(stripe.customer(), stripe.subscription(item), stripe.invoice()).only
    assert found.keys() == KEYS
    assert found["mrr"] == {"minor": 833, "currency": "usd"}
    assert found["exact"] == "2500/3"
    assert (found["status"], found["missing"], found["plan"]) == ("ok", [], "gold")
    assert (found["payment_status"], found["state"], found["stage"]) == ("paid", "active", "paying")


def test_a_whole_amount_is_written_as_one(explain: Any, stripe: Any) -> None:
    assert explain(stripe.subscription()).only["exact"] == "10000"


def test_an_error_has_one_key_more(explain: Any) -> None:
    found = explain("{").only
    assert found.keys() == KEYS | {"error"}
    assert found["error"].keys() == {"name", "where"}


def test_a_customer_without_a_subscription_is_a_prospect(explain: Any, stripe: Any) -> None:
    found = explain(stripe.customer())
    assert (found.minor, found.only["state"], found.only["plan"]) == (0, "prospect", None)


def test_a_deleted_customer_is_churned(explain: Any, stripe: Any) -> None:
    gone = {"id": "cus_1", "object": "customer", "deleted": True}
    found = explain(gone, stripe.subscription(), stripe.invoice("open"))
    assert (found.minor, found.only["state"], found.only["payment_status"]) == (
        0,
        "churned",
        "none",
    )


def test_the_currency_of_the_subscriptions_is_the_default(explain: Any, stripe: Any) -> None:
    assert explain(in_euro(stripe)).only["mrr"] == {"minor": 10000, "currency": "eur"}


def test_two_currencies_need_to_be_told_in_which(explain: Any, stripe: Any) -> None:
    found = explain(in_euro(stripe), stripe.subscription(id="sub_2"))
    assert (found.code, found.out) == (2, "")
    assert "EUR, USD" in found.err
    assert "--currency" in found.err


def test_rates_go_through_the_euro(explain: Any, stripe: Any, tmp_path: Path) -> None:
    file = tmp_path / "ecb.csv"
    file.write_text(RATES)
    options = ["--currency", "USD", "--rates", str(file)]
    both = explain(in_euro(stripe), stripe.subscription(id="sub_2"), options=options).only
    assert both["mrr"] == {"minor": 21000, "currency": "usd"}


def test_a_cross_rate_is_not_rounded(explain: Any, stripe: Any, tmp_path: Path) -> None:
    file = tmp_path / "ecb.csv"
    file.write_text(RATES)
    item = stripe.item(stripe.price(1000, currency="jpy"))
    yen = stripe.subscription(item, currency="jpy")
    found = explain(yen, options=["--currency", "usd", "--rates", str(file)]).only
    assert (found["exact"], found["mrr"]) == ("1375/2", {"minor": 688, "currency": "usd"})


def test_a_day_without_a_rate_takes_the_last_before_it(
    explain: Any, stripe: Any, tmp_path: Path
) -> None:
    file = tmp_path / "ecb.csv"
    file.write_text(RATES)
    options = ["--currency", "usd", "--rates", str(file), "--at", "2026-01-08T23:59:59Z"]
    assert explain(in_euro(stripe), options=options).minor == 10800


def test_a_rate_that_is_not_there_is_missing(explain: Any, stripe: Any, tmp_path: Path) -> None:
    file = tmp_path / "ecb.csv"
    file.write_text("Date,JPY\n2026-01-09,160\n")
    found = explain(in_euro(stripe), options=["--currency", "usd", "--rates", str(file)]).only
    assert (found["status"], found["missing"]) == ("incomplete", ["rate:EUR"])


def test_no_rate_is_needed_for_nothing(explain: Any, stripe: Any) -> None:
    item = stripe.item(stripe.price(0, currency="eur"))
    free = stripe.subscription(item, currency="eur")
    assert explain(free, options=["--currency", "usd"]).minor == 0


@pytest.mark.parametrize("at", ["2026-01-10T12:00:00Z", "2026-01-10T13:00:00+01:00"])
def test_time_has_a_zone(explain: Any, stripe: Any, at: str) -> None:
    trial = {"start_date": stripe.start, "end_date": 1_768_046_400}  # noon of that day
    item = stripe.item(stripe.price(), current_trial=trial)
    assert explain(stripe.subscription(item), options=["--at", at]).minor == 10000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--at", "yesterday"], "--at: found 'yesterday'"),
        (["--at", "2026-01-10"], "--at: found '2026-01-10'"),
        (["--at", "2026-01-10T12:00:00"], "has no zone"),
        (["--at", "2026-13-10T12:00:00Z"], "--at: found '2026-13-10T12:00:00Z'"),
        (["--policy", "mine"], "plumbline, stripe_default, chartmogul, baremetrics, profitwell"),
        (["--currency", "dollars"], "--currency: found 'dollars'"),
        (["--currency", "zzz"], "--currency: found 'zzz'"),
        (["--rates", "/nowhere/ecb.csv"], "--rates: /nowhere/ecb.csv can't be read"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_names_the_option(
    explain: Any, stripe: Any, options: list[str], said: str
) -> None:
    found = explain(stripe.subscription(), options=options)
    assert (found.code, found.out) == (2, "")
    assert said in " ".join(found.err.split())


def test_a_file_must_be_named(command: Any) -> None:
    found = command("mrr", "explain")
    assert found.code == 2
    assert "FILE" in found.err


def test_a_broken_table_of_rates_is_named_with_its_line(
    explain: Any, stripe: Any, tmp_path: Path
) -> None:
    file = tmp_path / "ecb.csv"
    file.write_text("Date,USD\n2026-01-09,much\n")
    found = explain(stripe.subscription(), options=["--rates", str(file)])
    assert found.code == 2
    assert "line 2, column USD: found 'much'" in found.err


def test_a_policy_of_ones_own_comes_from_the_configuration(
    explain: Any, stripe: Any, tmp_path: Path
) -> None:
    file = tmp_path / "plumbline.toml"
    file.write_text('[workspace]\nid = "a"\n[policies]\nmrr = "chartmogul"\n')
    once = stripe.subscription(discounts=[stripe.discount(stripe.coupon(duration="once"))])
    assert explain(once, options=["--config", str(file)]).minor == 5000


@pytest.mark.parametrize(
    ("mrr", "said"),
    [
        ('"mine"', "policies.mrr: found 'mine', expected one of plumbline"),
        ("3", "policies.mrr: expected a name or a table"),
        ("{ colour = true }", "colour"),
    ],
)
def test_a_wrong_policy_of_the_configuration_is_named(
    explain: Any, stripe: Any, tmp_path: Path, mrr: str, said: str
) -> None:
    file = tmp_path / "plumbline.toml"
    file.write_text(f'[workspace]\nid = "a"\n[policies]\nmrr = {mrr}\n')
    found = explain(stripe.subscription(), options=["--config", str(file)])
    assert (found.code, found.out) == (2, "")
    assert said in found.err


def test_servers_and_their_clients_are_not_loaded(command: Any) -> None:
    """Start-up is most of the time of one account."""
    import subprocess
    import sys

    script = (
        "import sys\n"
        "from console.explain.command import run_explain\n"
        "import console.main\n"
        "heavy = {'asyncpg', 'aiokafka', 'faststream', 'httpx', 'opentelemetry', 'rich.table'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
