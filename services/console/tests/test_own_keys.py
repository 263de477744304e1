"""Keys that `plumbline up` makes for its own database."""

import pytest
from console.up import make_deployment, token_keys
from plumbline_local.paths import Home, write_once
from plumbline_runtime.config import load_config
from plumbline_runtime.secrets import ConfigError
from plumbline_runtime.tokens import Keys, new_key

OAUTH = """
[workspace]
id = "acme"
currency = "usd"
[connections.hubspot]
kind = "hubspot"
[connections.hubspot.oauth]
client_id = "env:HS_ID"
client_secret = "env:HS_SECRET"
refresh_token = "env:HS_REFRESH"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in ("PLUMBLINE_KEYS", "DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HS_ID", "HS_SECRET", "HS_REFRESH"):
        monkeypatch.setenv(name, "x")
    path = tmp_path / "plumbline.toml"
    path.write_text(OAUTH)
    return path


def test_a_key_file_is_made_once_and_handed_to_every_service(place, tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    deployment = make_deployment(place, home)
    file = home.root / "keys"
    assert file.stat().st_mode & 0o777 == 0o600
    keys = file.read_text().strip()
    assert {service.env["PLUMBLINE_KEYS"] for service in deployment._services} == {keys}
    Keys.from_environment({"PLUMBLINE_KEYS": keys})
    assert token_keys(load_config(place), home, own_database=True) == {"PLUMBLINE_KEYS": keys}
    monkeypatch.setenv("PLUMBLINE_KEYS", keys)  # the services inherit it
    assert token_keys(load_config(place), home, own_database=True) == {}


def test_a_broken_key_file_is_said(place, tmp_path):
    home = Home(tmp_path / "home")
    home.ensure()
    (home.root / "keys").write_text("broken\n")
    with pytest.raises(ConfigError, match="key 1 is not base64"):
        make_deployment(place, home)


def test_a_database_elsewhere_wants_keys_of_its_own(place, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere.example/plumbline")
    home = Home(tmp_path / "home")
    with pytest.raises(ConfigError, match="PLUMBLINE_KEYS is not set"):
        make_deployment(place, home)
    assert not (home.root / "keys").exists()
    monkeypatch.setenv("PLUMBLINE_KEYS", new_key())  # the services inherit it
    deployment = make_deployment(place, home)
    assert all("PLUMBLINE_KEYS" not in service.env for service in deployment._services)
    assert not (home.root / "keys").exists()


def test_keys_that_are_given_are_checked_before_anything_starts(place, tmp_path, monkeypatch):
    monkeypatch.setenv("PLUMBLINE_KEYS", f"{new_key()},short")
    with pytest.raises(ConfigError, match="key 2 is not base64"):
        make_deployment(place, Home(tmp_path / "home"))


def test_of_two_that_make_the_key_file_at_once_the_first_stays(tmp_path):
    write_once(tmp_path / "keys", "first")
    write_once(tmp_path / "keys", "second")
    assert (tmp_path / "keys").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_without_oauth_no_key_is_made(place, tmp_path):
    without = OAUTH.partition("[connections.hubspot.oauth]")[0]
    place.write_text(without + 'access_token = "env:HS_ID"\n')
    home = Home(tmp_path / "home")
    make_deployment(place, home)
    assert not (home.root / "keys").exists()
