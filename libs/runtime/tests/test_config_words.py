"""What the deployment file refuses, each in one line of plain words."""

import pytest
from plumbline_runtime.config import ConfigError, load_config
from plumbline_runtime.config_checks import CURRENCIES
from plumbline_schemas.fields import default_mapping

WORKSPACE = """
[workspace]
id = "acme"
currency = "EUR"
"""
STRIPE = """
[connections.stripe]
kind = "stripe"
mode = "test"
api_key = "env:KEY"
"""
SIGNED = STRIPE + 'webhook_secrets = ["env:WH"]\n'
HUBSPOT = """
[connections.hubspot]
kind = "hubspot"
access_token = "env:TOKEN"
"""
LATER = "which is not supported in this version yet; expected"


@pytest.fixture
def load(tmp_path):
    def load_text(text: str):
        path = tmp_path / "plumbline.toml"
        path.write_text(text)
        [workspace] = load_config(path).workspaces
        return workspace

    return load_text


@pytest.fixture
def complaint(load, tmp_path):
    def complain(text: str) -> str:
        with pytest.raises(ConfigError) as caught:
            load(text)
        message = str(caught.value)
        assert len(message.splitlines()) == 1, message
        file, _, rest = message.partition(".toml: ")
        assert file == str(tmp_path / "plumbline")
        return rest

    return complain


WRONG_TYPES = {
    'dry_run = "yes"': "dry_run: found 'yes', expected true or false",
    "dry_run = 1": "dry_run: found 1, expected true or false",
    "dry_run = []": "dry_run: found an empty list, expected true or false",
    "dry_run = {}": "dry_run: found a table, expected true or false",
    "conflict = true": "conflict: found true, expected 'overwrite', 'keep' or 'queue'",
    "conflict = 2026-01-02": "conflict: found 2026-01-02, expected 'overwrite', 'keep' or 'queue'",
    "conflict = []": "conflict: found an empty list, expected 'overwrite', 'keep' or 'queue'",
}


@pytest.mark.parametrize("line", WRONG_TYPES)
def test_a_policy_of_the_wrong_type_is_refused(line, complaint):
    text = f"{WORKSPACE}[policies]\n{line}\n"
    assert complaint(text) == f"policies.{WRONG_TYPES[line]}"


HUBSPOT_LINES = {
    "rate_per_10_seconds = true": "found true, expected a whole number",
    "rate_per_10_seconds = 5.0": "found 5.0, expected a whole number",
    'rate_per_10_seconds = "5"': "found '5', expected a whole number",
    "rate_per_10_seconds = 0": "found 0, expected a whole number of at least 1",
    "rate_per_10_seconds = 1901": "found 1901, expected a whole number of at most 1900",
    "portal_id = 1234567": "found 1234567, expected a text in quotes",
    'portal_id = "12a"': "found '12a', expected only digits, such as \"1234567\"",
    "api_base = true": "found true, expected a text in quotes",
    "client_secret = 5": "found a number, expected a text: env:NAME or file:PATH",
    'client_secret = "pasted"': "found a text, expected env:NAME or file:PATH, a reference and "
    "not the secret",
}


@pytest.mark.parametrize("line", HUBSPOT_LINES)
def test_a_key_of_hubspot_of_the_wrong_type_is_refused(line, complaint):
    key = line.split(" ")[0]
    message = complaint(WORKSPACE + HUBSPOT + line)
    assert message == f"connections.hubspot.{key}: {HUBSPOT_LINES[line]}"


STRIPE_LINES = {
    'webhook_secrets = "env:WH"': ': found a text, expected a list such as ["env:NAME"]',
    "webhook_secrets = {}": ': found a table, expected a list such as ["env:NAME"]',
    "webhook_secrets = []": ": found an empty list, expected at least one reference, such as "
    '["env:NAME"]',
    "webhook_secrets = [7]": ".0: found a number, expected a text: env:NAME or file:PATH",
    "": ': found nothing, expected a value such as ["env:NAME"]',
}


@pytest.mark.parametrize("line", STRIPE_LINES)
def test_webhook_secrets_are_a_list_of_references(line, complaint):
    message = complaint(WORKSPACE + STRIPE + line)
    assert message == f"connections.stripe.webhook_secrets{STRIPE_LINES[line]}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('scope = "all"', "scope: found 'all', expected a table"),
        ('scope = { products = "p" }', "scope.products: found 'p', expected a list such as"),
        ("scope = { products = [1] }", "scope.products.0: found 1, expected a text in quotes"),
        ("metadata = []", "metadata: found an empty list, expected a table"),
        ('metadata = { crm_id = "" }', "metadata.crm_id: found '', expected a text that is not"),
        ('name = "other"', "name: unknown key, expected the name only in [connections.stripe]"),
    ],
)
def test_sections_and_lists_of_stripe_are_checked(line, expected, complaint):
    assert complaint(WORKSPACE + SIGNED + line).startswith(f"connections.stripe.{expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('connections = "x"' + WORKSPACE, "connections: found 'x', expected a table"),
        (WORKSPACE + '[connections]\ns = "x"\n', "connections.s: found 'x', expected a table"),
        ("edge = 5" + WORKSPACE, "edge: found 5, expected a table [edge]"),
        ("workspace = []", "workspace: found an empty list, expected a table"),
        (WORKSPACE + "fields = 5", "workspace.fields: unknown key, expected one of clock"),
        (WORKSPACE + '[fields]\ncompany = "x"', "fields.company: found 'x', expected a table"),
        (WORKSPACE + "[fields.company]\nmrr = 5", "fields.company.mrr: found 5, expected a text"),
        (WORKSPACE + '"a\\nb" = 5', "workspace.a\\nb: unknown key"),
    ],
)
def test_what_stands_where_a_table_belongs_is_named(text, expected, complaint):
    assert complaint(text).startswith(expected)


def test_lists_become_tuples(load):
    [stripe] = load(WORKSPACE + SIGNED + "scope = { products = [] }").billing
    assert isinstance(stripe.webhook_secrets, tuple)
    assert stripe.scope.products == ()


def test_a_secret_in_the_place_of_a_table_is_not_repeated(complaint):
    message = complaint(WORKSPACE + '[connections.oauth]\nkind = "hubspot"\noauth = "tk_abc"\n')
    assert message == "connections.oauth.oauth: found a text, expected a table"


@pytest.mark.parametrize("code", ["EURO", "EUX", "ABC", "eu", "HRK", "", "EUR\\n"])
def test_no_iso_4217_code_is_refused_as_the_file_has_it(code, complaint):
    message = complaint(WORKSPACE.replace("EUR", code))
    shown = f"'{code}'"
    assert message == (f"workspace.currency: found {shown}, expected an ISO 4217 code such as EUR")


def test_a_currency_may_be_in_either_case(load, complaint):
    assert load(WORKSPACE).workspace.currency == "eur"
    assert load(WORKSPACE.replace("EUR", "jpy")).workspace.currency == "jpy"
    assert complaint(WORKSPACE.replace('"EUR"', "5")) == (
        "workspace.currency: found 5, expected a text in quotes"
    )


def test_the_table_of_currencies_holds_codes_only():
    assert all(len(code) == 3 and code.isalpha() and code.islower() for code in CURRENCIES)
    assert {"eur", "usd", "jpy", "kwd", "xcg", "zwg"} <= CURRENCIES


@pytest.mark.parametrize("name", ["Big Name", "1st", "Stage", "a-b", "_a", "stage\\n", "größe"])
@pytest.mark.parametrize("kind", ["company", "contact"])
def test_a_property_needs_an_internal_name(kind, name, complaint):
    message = complaint(f'{WORKSPACE}[fields.{kind}]\nstage = "{name}"\n')
    assert message.startswith(
        f"fields.{kind}.stage: found '{name}', expected a property's internal"
    )


def test_a_property_is_mapped_once_in_a_kind(load, complaint):
    contact = '[fields.contact]\nmrr = "a"\n'
    assert complaint(WORKSPACE + contact + 'plan = "a"\n').startswith(
        "fields.contact.plan: found 'a', which fields.contact.mrr has too"
    )
    fields = load(WORKSPACE + contact + '[fields.company]\nmrr = "a"\n').fields
    assert fields == {"contact": {"mrr": "a"}, "company": {"mrr": "a"}}


def test_the_default_mapping_is_well_formed(load):
    lines = "\n".join(f'{name} = "{prop}"' for name, prop in default_mapping().items())
    assert load(f"{WORKSPACE}[fields.company]\n{lines}").fields["company"] == default_mapping()


@pytest.mark.parametrize("name", ["stripe_default", "chartmogul", "baremetrics", "profitwell"])
def test_every_preset_of_mrr_is_taken(name, load):
    assert load(f'{WORKSPACE}[policies]\nmrr = "{name}"\n').policies.mrr == name


def test_an_unknown_definition_of_mrr_is_refused(complaint):
    assert complaint(f'{WORKSPACE}[policies]\nmrr = "mine"\n') == (
        "policies.mrr: found 'mine', expected one of plumbline, stripe_default, chartmogul, "
        "baremetrics, profitwell, or a table of switches"
    )


@pytest.mark.parametrize("name", ["leave", "review", "create", "hybrid"])
def test_every_policy_for_unmatched_customers_is_taken(name, load):
    assert load(f'{WORKSPACE}[policies]\nunmatched = "{name}"\n').policies.unmatched == name


def test_a_tax_id_property_is_a_propertys_name(load, complaint):
    table = f"{WORKSPACE}[policies.identity]\n"
    found = load(f'{table}tax_id_property = "vat_number"\n').policies.identity
    assert found.tax_id_property == "vat_number"
    assert complaint(f'{table}tax_id_property = "VAT Number"\n').startswith(
        "policies.identity.tax_id_property: found 'VAT Number', expected a property's internal name"
    )


def test_an_unknown_key_lists_the_keys_of_its_vendor(complaint):
    stripe = complaint(WORKSPACE + SIGNED + 'portal_id = "1"\n')
    assert stripe == (
        "connections.stripe.portal_id: unknown key, expected one of api_base, api_key, kind, "
        "metadata, mode, scope, webhook_secrets"
    )
    hubspot = complaint(WORKSPACE + HUBSPOT.replace(".hubspot", ".stripe") + "scope = {}\n")
    assert hubspot == (
        "connections.stripe.scope: unknown key, expected one of access_token, api_base, "
        "api_layout, client_secret, daily_limit, default_record, kind, mode, oauth, portal_id, "
        "rate_per_10_seconds"
    )
    nested = complaint(WORKSPACE + SIGNED + "scope = { product = [] }\n")
    assert nested == (
        "connections.stripe.scope.product: unknown key, did you mean products? "
        "expected one of lookup_keys, products"
    )
