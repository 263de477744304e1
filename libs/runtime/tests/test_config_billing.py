"""How a workspace counts: MRR policy, scope, at_risk and rates in the deployment file."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from plumbline_runtime.config import ConfigError, DeploymentConfig, load_config, log_config
from plumbline_runtime.policies import PolicyCheck
from plumbline_schemas.internal import AT_RISK, Switch, WorkspaceConfig

WORKSPACE = """
[workspace]
id = "acme"
currency = "EUR"
[connections.stripe]
kind = "stripe"
mode = "test"
api_key = "env:KEY"
webhook_secrets = ["env:WH"]
"""
Load = Callable[..., DeploymentConfig]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str, check_policy: PolicyCheck | None = None) -> DeploymentConfig:
        path = tmp_path / "plumbline.toml"
        path.write_text(WORKSPACE + text)
        return load_config(path, check_policy=check_policy)

    return load_text


@pytest.fixture
def complaint(load: Load, tmp_path: Path) -> Callable[..., str]:
    def complain(text: str, check_policy: PolicyCheck | None = None) -> str:
        with pytest.raises(ConfigError) as caught:
            load(text, check_policy)
        prefix = f"{tmp_path / 'plumbline.toml'}: "
        assert str(caught.value).startswith(prefix)
        return str(caught.value).removeprefix(prefix)

    return complain


def logged(config: DeploymentConfig) -> WorkspaceConfig:
    return log_config(config.workspaces[0])


@pytest.mark.parametrize(
    ("text", "mrr"),
    [
        ("", "plumbline"),
        ('[policies]\nmrr = "chartmogul"\n', "chartmogul"),
        ('[policies.mrr]\nonce = "counted"\n', {"once": "counted"}),
        (
            '[policies.mrr]\nbase = "profitwell"\nowing_days = 20\nunpaid = "zero"\n',
            {"base": "profitwell", "owing_days": 20, "unpaid": "zero"},
        ),
    ],
)
def test_the_mrr_policy_is_a_name_or_a_table(load: Load, text: str, mrr: object) -> None:
    config = logged(load(text))
    assert config.mrr == mrr
    assert WorkspaceConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[policies]\nmrr = 1\n", "policies.mrr: found 1, expected one of plumbline,"),
        ('[policies.mrr]\nbase = "mine"\n', "policies.mrr.base: found 'mine', expected one of"),
        ("[policies.mrr]\nunpaid = [1]\n", "policies.mrr.unpaid: expected a text in quotes,"),
        (
            '[policies]\nat_risk = ["late"]\n',
            "policies.at_risk.0: found 'late', expected 'payment_trouble' or",
        ),
    ],
)
def test_what_is_no_policy_is_named(complaint: Callable[..., str], text: str, found: str) -> None:
    assert complaint(text).startswith(found)


def test_who_knows_the_switches_has_the_last_word(complaint: Callable[..., str]) -> None:
    def check(table: Mapping[str, Switch]) -> None:
        raise ValueError(f"{next(iter(table))}: unknown switch, expected one of a, b")

    text = "[policies.mrr]\ntrails = true\n"
    assert complaint(text, check) == ("policies.mrr: trails: unknown switch, expected one of a, b")


def test_scope_and_triggers_enter_the_log_in_one_order(load: Load) -> None:
    scope = 'scope = { products = ["prod_2", "prod_1", "prod_2"], lookup_keys = ["gold"] }\n'
    policies = '[policies]\nat_risk = ["planned_cancellation", "payment_trouble"]\n'
    config = logged(load(scope + policies))
    [stripe] = config.connections
    assert stripe.scope.products == ("prod_1", "prod_2")
    assert stripe.scope.lookup_keys == ("gold",)
    assert config.at_risk == AT_RISK
    assert logged(load("[policies]\nat_risk = []\n")).at_risk == ()


def test_an_empty_id_in_the_scope_is_refused(complaint: Callable[..., str]) -> None:
    assert complaint('scope = { products = [""] }\n').startswith(
        "connections.stripe.scope.products.0: found '', expected a text that is not empty"
    )


def test_a_configuration_logged_before_these_settings_still_reads() -> None:
    old = WorkspaceConfig.model_validate(
        {"currency": "usd", "connections": [{"name": "stripe", "kind": "stripe"}]}
    )
    assert (old.mrr, old.at_risk) == ("plumbline", AT_RISK)
    assert old.connections[0].scope.products == ()


def test_rates_come_from_a_file_beside_the_configuration(load: Load, tmp_path: Path) -> None:
    rates = load('[rates]\nsource = "file:rates.csv"\n').workspaces[0].rates
    assert rates is not None
    assert (rates.path, rates.every) == (tmp_path / "rates.csv", "month")
    rates = load('[rates]\nsource = "file:/srv/rates.csv"\nevery = "day"\n').workspaces[0].rates
    assert rates is not None
    assert (rates.path, rates.every) == (Path("/srv/rates.csv"), "day")
    assert load("").workspaces[0].rates is None


def test_rates_come_from_an_address(load: Load) -> None:
    for address in (
        "https://rates.example/stats/eurofxref-hist.zip?a=1",
        "http://127.0.0.1:8300/eurofxref.csv",
        "http://[::1]:8300/eurofxref.csv",
    ):
        rates = load(f'[rates]\nsource = "{address}"\n').workspaces[0].rates
        assert rates is not None
        assert (rates.source, rates.path) == (address, None)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ('every = "day"', "rates.source: found nothing, expected a value"),
        ('source = "file:"', "rates.source: found 'file:', expected a path after file:"),
        ('source = "rates.csv"', "rates.source: found 'rates.csv', expected file:PATH or https"),
        ('source = "ftp://a.example/x"', "rates.source: found 'ftp://a.example/x', expected"),
        ('source = "http://a.example/x"', "rates.source: found 'http://a.example/x', expected h"),
        (
            'source = "https://u:p@a.example/x"',
            "rates.source: found 'https://...@a.example/x', exp",
        ),
        ('source = "file:a"\nevery = "week"', "rates.every: found 'week', expected 'month' or"),
        ('source = "file:a"\nform = "csv"', "rates.form: unknown key"),
    ],
)
def test_what_is_no_source_is_named(complaint: Callable[..., str], lines: str, found: str) -> None:
    assert complaint(f"[rates]\n{lines}\n").startswith(found)


def test_the_address_of_the_rates_never_enters_the_log(load: Load) -> None:
    config = logged(load('[rates]\nsource = "https://rates.example/x.csv"\n'))
    assert "rates.example" not in config.model_dump_json()
