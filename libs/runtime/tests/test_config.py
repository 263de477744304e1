"""The deployment file of design 9, to the letter, and errors that tell what to change."""

from pathlib import Path

import pytest
from plumbline_runtime.config import (
    ConfigError,
    HubSpotConnection,
    StripeConnection,
    load_config,
    log_config,
)
from plumbline_schemas.fields import FIELDS, default_mapping

DESIGN = """
[edge]
listen = "127.0.0.1:8080"
public_url = "https://hooks.acme.example"
[workspace]
id = "acme"
timezone = "Europe/Berlin"
currency = "EUR"
[connections.stripe]
kind = "stripe"
mode = "live"
api_key = "env:STRIPE_API_KEY"
webhook_secrets = ["env:STRIPE_WEBHOOK_SECRET"]
api_base = "https://api.stripe.com"
scope = { products = [], lookup_keys = [] }
metadata = { crm_id = "crm_id", company = "company" }
[connections.hubspot]
kind = "hubspot"
access_token = "env:HUBSPOT_TOKEN"
client_secret = "env:HUBSPOT_CLIENT_SECRET"
portal_id = "1234567"
api_layout = "v3"
api_base = "https://api.hubapi.com"
[policies]
mrr = "plumbline"
unmatched = "review"
personal_domains = "skip"
conflict = "overwrite"
first_write = "plan"
dry_run = false
[fields.company]
mrr = "plumbline_mrr"
"""

SMALL = """
[workspace]
id = "{id}"
currency = "usd"
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("PLUMBLINE_CONFIG", "PLUMBLINE_EDGE_LISTEN", "PLUMBLINE_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path):
    def write_file(text: str, name: str = "plumbline.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


def test_the_file_of_the_design_loads(write):
    config = load_config(write(DESIGN))
    [workspace] = config.workspaces
    assert config.edge.public_url == "https://hooks.acme.example"
    assert (workspace.id, workspace.workspace.currency) == ("acme", "eur")
    stripe = config.connection("acme", "stripe")
    assert isinstance(stripe, StripeConnection)
    assert workspace.billing == [stripe]
    assert stripe.metadata.crm_id == "crm_id"
    hubspot = workspace.crm
    assert isinstance(hubspot, HubSpotConnection)
    assert hubspot.portal_id == "1234567"
    assert workspace.fields == {"company": {"mrr": "plumbline_mrr"}}
    assert config.workspace("other") is None
    assert config.connection("other", "stripe") is None
    assert config.connection("acme", "other") is None


def test_what_may_be_left_out_has_the_defaults_of_the_design(write):
    config = load_config(write(SMALL.format(id="acme")))
    [workspace] = config.workspaces
    assert config.edge.listen == "127.0.0.1:8080"
    assert workspace.workspace.timezone == "UTC"
    assert workspace.fields == {"company": default_mapping()}
    assert workspace.policies.unmatched == "review"
    assert workspace.crm is None
    assert workspace.billing == []


def test_oauth_stands_in_for_the_access_token(write):
    text = DESIGN.replace(
        'access_token = "env:HUBSPOT_TOKEN"',
        'oauth = { client_id = "env:A", client_secret = "env:B", refresh_token = "file:/c" }',
    )
    hubspot = load_config(write(text)).workspaces[0].crm
    assert hubspot is not None
    assert hubspot.oauth is not None
    assert hubspot.oauth.refresh_token.reference == "file:/c"


def test_a_folder_holds_several_workspaces_and_one_edge(write, tmp_path):
    write(DESIGN, "a.toml")
    write(SMALL.format(id="beta"), "b.toml")
    write("not read", "notes.txt")
    config = load_config(tmp_path)
    assert [workspace.id for workspace in config.workspaces] == ["acme", "beta"]
    assert config.edge.public_url == "https://hooks.acme.example"


def test_the_edge_may_stand_in_a_file_of_its_own(write, tmp_path):
    write('[edge]\nlisten = "0.0.0.0:80"\n', "edge.toml")
    write(SMALL.format(id="beta"), "b.toml")
    assert load_config(tmp_path).edge.listen == "0.0.0.0:80"


def test_the_environment_overrides_the_edge_and_names_the_file(write, monkeypatch):
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(write(DESIGN)))
    monkeypatch.setenv("PLUMBLINE_EDGE_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("PLUMBLINE_PUBLIC_URL", "http://127.0.0.1:9/")
    edge = load_config().edge
    assert edge.listen == "127.0.0.1:0"
    assert edge.public_url == "http://127.0.0.1:9"


def test_plumbline_toml_of_the_working_directory_is_the_default(write, tmp_path, monkeypatch):
    write(SMALL.format(id="here"))
    monkeypatch.chdir(tmp_path)
    assert load_config().workspaces[0].id == "here"


def swap(found: str, wanted: str) -> str:
    assert found in DESIGN
    return DESIGN.replace(found, wanted)


WRONG = {
    "unknown section": (
        swap("[policies]", "[polices]"),
        "polices: unknown key, did you mean policies?",
    ),
    "unknown key": (
        swap('api_key = "env:STRIPE_API_KEY"', 'api_kye = "env:STRIPE_API_KEY"'),
        "connections.stripe.api_kye: unknown key, did you mean api_key?",
    ),
    "missing key": (
        swap('api_key = "env:STRIPE_API_KEY"', ""),
        "connections.stripe.api_key: found nothing, expected a value such as env:NAME or file:PATH",
    ),
    "no workspace": ("[policies]\n", "workspace: found nothing, expected a value"),
    "workspace name": (
        swap('id = "acme"', 'id = "Acme Inc"'),
        "workspace.id: found 'Acme Inc', expected only",
    ),
    "timezone": (
        swap("Europe/Berlin", "Berlin"),
        "workspace.timezone: found 'Berlin', expected an IANA name",
    ),
    "currency": (swap('"EUR"', '"euro"'), "workspace.currency: found 'euro', expected an ISO"),
    "connection name": (
        swap("[connections.stripe]", '[connections."Stripe!"]'),
        "connections.Stripe!.name: found 'Stripe!', expected only lower-case",
    ),
    "kind": (
        swap('kind = "hubspot"', 'kind = "pipedrive"'),
        "connections.hubspot.kind: found 'pipedrive', expected stripe or hubspot",
    ),
    "no kind": (
        swap('kind = "hubspot"', ""),
        "connections.hubspot.kind: found nothing, expected stripe or hubspot",
    ),
    "mode": (
        swap('mode = "live"', 'mode = "prod"'),
        "connections.stripe.mode: found 'prod', expected 'live' or 'test'",
    ),
    "layout": (
        swap('api_layout = "v3"', 'api_layout = "v4"'),
        "connections.hubspot.api_layout: found 'v4', expected 'v3' or '2026-03'",
    ),
    "policy": (
        swap('conflict = "overwrite"', 'conflict = "mine"'),
        "policies.conflict: found 'mine', expected 'overwrite', 'keep' or 'queue'",
    ),
    "portal": (
        swap('"1234567"', '"my portal"'),
        "connections.hubspot.portal_id: found 'my portal'",
    ),
    "plain http": (
        swap("https://api.stripe.com", "http://api.stripe.com"),
        "connections.stripe.api_base: found 'http://api.stripe.com', expected https",
    ),
    "two crms": (
        DESIGN + '[connections.second]\nkind = "hubspot"\naccess_token = "env:X"\n',
        "connections: found 2 CRM connections (hubspot, second), expected at most one",
    ),
    "no credential": (
        swap('access_token = "env:HUBSPOT_TOKEN"', ""),
        "connections.hubspot.access_token: found neither, expected either access_token or oauth",
    ),
    "unknown field": (
        swap('mrr = "plumbline_mrr"', 'mrrr = "plumbline_mrr"'),
        "fields.company.mrrr: unknown field, did you mean mrr? expected one of mrr, plan",
    ),
    "property twice": (
        DESIGN + 'plan = "plumbline_mrr"\n',
        "fields.company.plan: found 'plumbline_mrr', which fields.company.mrr has too",
    ),
    "unknown record kind": (
        swap("[fields.company]", "[fields.deal]"),
        "fields.deal: found 'deal', expected 'company' or 'contact'",
    ),
    "clock": (
        swap('currency = "EUR"', 'currency = "EUR"\nclock = "stripe"'),
        "workspace.clock: found 'stripe', whose mode is live",
    ),
    "listen": (swap("127.0.0.1:8080", "8080"), "edge.listen: found '8080', expected host:port"),
    "public url": (
        swap("https://hooks.acme.example", "hooks.acme.example"),
        "edge.public_url: found 'hooks.acme.example', expected http(s)://host",
    ),
    "domain of the workspace": (
        DESIGN + '[policies.identity.domains]\n"Acme Inc" = "own"\n',
        "policies.identity.domains.'Acme Inc': expected a domain in lower case",
    ),
    "class of a domain": (
        DESIGN + '[policies.identity.domains]\n"acme.example" = "ours"\n',
        "policies.identity.domains.acme.example: found 'ours', expected",
    ),
    "type": (
        swap("dry_run = false", 'dry_run = "maybe"'),
        "policies.dry_run: found 'maybe', expected",
    ),
    "not toml": ("[workspace\n", "found no valid TOML"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_names_file_key_found_and_expected(name, write):
    text, complaint = WRONG[name]
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: "), message
    assert complaint in message, message


def test_a_pasted_secret_is_refused_and_never_repeated(write):
    text = swap('"env:STRIPE_API_KEY"', '"sk_live_abcdefghijkl"')
    with pytest.raises(ConfigError, match="expected env:NAME or file:PATH") as caught:
        load_config(write(text))
    assert "abcdefghijkl" not in str(caught.value)
    assert "connections.stripe.api_key" in str(caught.value)
    text = swap('["env:STRIPE_WEBHOOK_SECRET"]', '"whsec_abcdefghijkl"')
    with pytest.raises(ConfigError) as caught:
        load_config(write(text))
    assert "abcdefghijkl" not in str(caught.value)


def test_every_problem_of_a_file_is_told_at_once(write):
    text = DESIGN.replace('"live"', '"prod"').replace('"overwrite"', '"mine"')
    with pytest.raises(ConfigError) as caught:
        load_config(write(text))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("base", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9/v1"])
def test_plain_http_to_this_machine_is_fine(base, write):
    text = swap("https://api.stripe.com", base)
    assert load_config(write(text)).workspaces[0].billing[0].api_base == base


def test_plain_http_anywhere_is_fine_in_test_mode(write):
    text = swap("https://api.stripe.com", "http://simulators:9").replace('"live"', '"test"')
    assert load_config(write(text)).workspaces[0].billing[0].mode == "test"


def test_two_edges_two_workspaces_of_a_name_and_empty_places_are_refused(write, tmp_path):
    with pytest.raises(ConfigError, match="found nothing there"):
        load_config(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=r"found no \*\.toml"):
        load_config(tmp_path)
    write('[edge]\nlisten = "127.0.0.1:1"\n', "only-edge.toml")
    with pytest.raises(ConfigError, match="found no workspace"):
        load_config(tmp_path)
    write(DESIGN, "a.toml")
    with pytest.raises(
        ConfigError, match=r"\[edge\]: found it in .*a\.toml too, expected it in one"
    ):
        load_config(tmp_path)
    (tmp_path / "only-edge.toml").unlink()
    write(SMALL.format(id="acme"), "b.toml")
    with pytest.raises(ConfigError, match=r"b\.toml: workspace\.id: found 'acme', which .*a\.toml"):
        load_config(tmp_path)


def test_every_known_field_may_be_mapped_for_companies_and_contacts(write):
    names = "\n".join(f'{name} = "x_{name}"' for name in FIELDS)
    text = SMALL.format(id="acme") + f"[fields.company]\n{names}\n[fields.contact]\n{names}\n"
    fields = load_config(write(text)).workspaces[0].fields
    assert fields["company"] == fields["contact"] == {name: f"x_{name}" for name in FIELDS}


def test_what_a_workspace_says_of_domains_enters_the_log(write):
    text = DESIGN + '[policies.identity.domains]\n"acme.example" = "own"\n"pays.example" = "hub"\n'
    logged = log_config(load_config(write(text)).workspaces[0])
    assert logged.identity.domains == {"acme.example": "own", "pays.example": "hub"}


def test_the_log_gets_what_changes_results_and_no_secret_or_address(write):
    logged = log_config(load_config(write(DESIGN)).workspaces[0])
    assert logged.currency == "eur"
    assert [(c.name, c.kind, c.mode) for c in logged.connections] == [
        ("hubspot", "hubspot", "live"),
        ("stripe", "stripe", "live"),
    ]
    assert logged.fields == {"company": {"mrr": "plumbline_mrr"}}
    text = logged.model_dump_json()
    assert "env:" not in text
    assert "http" not in text
