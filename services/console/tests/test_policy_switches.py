"""Who publishes the configuration knows which switches of MRR there are."""

from pathlib import Path

import pytest
from console.reach import find_config
from plumbline_domain.policies import POLICIES
from plumbline_runtime.config import ConfigError
from plumbline_runtime.policies import MRR_PRESETS

CONFIG = """
[workspace]
id = "acme"
currency = "EUR"
[policies.mrr]
base = "chartmogul"
"""


def test_an_unknown_switch_is_named_with_the_file(tmp_path: Path) -> None:
    place = tmp_path / "plumbline.toml"
    place.write_text(CONFIG + 'onec = "counted"\n')
    with pytest.raises(ConfigError, match=r"toml: policies\.mrr: .*'?onec'?"):
        find_config(place, None)
    place.write_text(CONFIG + 'once = "sometimes"\n')
    with pytest.raises(ConfigError, match=r"policies\.mrr: once = 'sometimes', expected"):
        find_config(place, None)
    place.write_text(CONFIG + 'once = "zero"\n')
    [workspace] = find_config(place, None).workspaces
    assert workspace.policies.mrr == {"base": "chartmogul", "once": "zero"}


def test_the_file_knows_the_presets_of_the_domain() -> None:
    assert set(MRR_PRESETS) == set(POLICIES)
