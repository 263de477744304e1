"""Settings come from the environment, secrets from references; errors name the variable."""

import pytest
from plumbline_runtime.secrets import ConfigError, SecretRef
from plumbline_runtime.settings import Settings

SERVERS = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "DATABASE_URL": "postgresql://plumbline:hunter2@127.0.0.1/plumbline",
}


def test_defaults_and_overrides():
    settings = Settings.from_environment("matcher", SERVERS)
    assert settings.service == "matcher"
    assert settings.shutdown_seconds == 20.0
    assert settings.topic_prefix == ""
    changed = SERVERS | {
        "PLUMBLINE_TOPIC_PREFIX": "t1-",
        "PLUMBLINE_SHUTDOWN_SECONDS": "3.5",
        "PLUMBLINE_HEALTH_LISTEN": "127.0.0.1:9001",
        "PLUMBLINE_CONFIG": "is not a setting",
    }
    settings = Settings.from_environment("matcher", changed)
    assert settings.topic_prefix == "t1-"
    assert settings.shutdown_seconds == 3.5


@pytest.mark.parametrize("missing", SERVERS)
def test_a_missing_address_is_named(missing):
    environment = {name: value for name, value in SERVERS.items() if name != missing}
    with pytest.raises(ConfigError, match=f"{missing} is not set"):
        Settings.from_environment("matcher", environment)


def test_a_wrong_value_is_named_with_what_was_found():
    with pytest.raises(ConfigError, match="PLUMBLINE_DRAIN_SECONDS: found 'soon'"):
        Settings.from_environment("matcher", SERVERS | {"PLUMBLINE_DRAIN_SECONDS": "soon"})


def test_the_password_is_not_in_the_representation():
    assert "hunter2" not in repr(Settings.from_environment("matcher", SERVERS))


def test_a_secret_is_read_when_asked_for_and_never_shown(monkeypatch, tmp_path):
    reference = SecretRef("env:TEST_PLUMBLINE_SECRET")
    with pytest.raises(ConfigError, match="TEST_PLUMBLINE_SECRET, which is not set"):
        reference.resolve()
    monkeypatch.setenv("TEST_PLUMBLINE_SECRET", "hunter2")
    assert reference.resolve() == "hunter2"
    assert "hunter2" not in f"{reference!r} {reference}"
    path = tmp_path / "secret"
    with pytest.raises(ConfigError, match="can't be read"):
        SecretRef(f"file:{path}").resolve()
    path.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        SecretRef(f"file:{path}").resolve()
    path.write_text("hunter2\n")
    assert SecretRef(f"file:{path}").resolve() == "hunter2"
    assert SecretRef("env:A") == SecretRef("env:A")
    assert len({SecretRef("env:A"), SecretRef("env:A")}) == 1


@pytest.mark.parametrize("text", ["", "env:", "file:", "sk_live_abc", "env:with space"])
def test_anything_else_is_not_a_reference(text):
    with pytest.raises(ValueError, match="expected env:NAME or file:PATH"):
        SecretRef(text)
