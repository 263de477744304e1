"""docs/mrr.md explains every rule, switch and error of the code, and nothing that is not there."""

import re
from pathlib import Path

from plumbline_domain.policies import POLICIES, SWITCHES, policy_of

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/mrr.md").read_text(encoding="utf-8")
DOMAIN = ROOT / "libs/domain/src/plumbline_domain"
CODE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOMAIN.glob("*.py")))
FAMILIES = (
    "subscription|item|price|discount|interval|tax|currency|mrr|payment_status|lifecycle|plan"
)
MADE_OF_VALUES = {
    'f"subscription.{status}"': {
        f"subscription.{status}"
        for status in (
            "trialing",
            "incomplete",
            "incomplete_expired",
            "paused",
            "canceled",
            "past_due",
            "unpaid",
        )
    },
    'f"price.{mode}"': {"price.graduated", "price.volume"},
    '"interval."': {f"interval.{one}" for one in ("month", "year", "week", "day")},
    'f"payment_status.subscription_{subscription.body.status}"': {
        "payment_status.subscription_past_due",
        "payment_status.subscription_incomplete",
    },
    'f"lifecycle.payment_{payment.value}"': {
        "lifecycle.payment_failing",
        "lifecycle.payment_past_due",
    },
}
"""Ids that the code puts together, by how it writes them."""


def rows(heading: str) -> list[list[str]]:
    """Cells of the table below a heading."""
    section = DOCS.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]


def test_every_rule_is_explained_and_every_explained_rule_is_there() -> None:
    written = set(re.findall(rf'"((?:{FAMILIES})\.[a-z_]+)"', CODE))
    for how, ids in MADE_OF_VALUES.items():
        assert how in CODE, f"the code no longer writes {how}"
        written |= ids
    made = set(re.findall(rf'f?"(?:{FAMILIES})\.[a-z_]*\{{[^"]*"', CODE)) | {'"interval."'}
    assert made == set(MADE_OF_VALUES)
    explained = re.findall(
        rf"^\| `((?:{FAMILIES})\.[a-z_]+)` \| \S.* \| \S.* \|$", DOCS, re.MULTILINE
    )
    assert len(explained) == len(set(explained))
    assert set(explained) == written


def test_every_switch_is_in_the_table_with_its_presets() -> None:
    table = {cells[0].strip("`"): cells[1:] for cells in rows("Policies")}
    assert list(table)
    assert set(table) == set(SWITCHES)
    for switch, (values, *presets) in table.items():
        allowed = re.findall(r"`(\w+)`", values)
        for value in allowed:
            assert getattr(policy_of({switch: value}), switch) == value
        for policy, said in zip(POLICIES.values(), presets, strict=True):
            value = getattr(policy, switch)
            assert said == ("-" if value is None else str(value)), (policy.name, switch)
            assert not allowed or value in allowed


def test_every_error_is_named() -> None:
    documented = {cells[0].strip("`") for cells in rows("What is missing, and errors")}
    raised = set(re.findall(r'(?:on\.wrong|_wrong)\(\s*"([a-z_0-9]+)"', CODE))
    returned = set(re.findall(r'(?:return|else) "([a-z_]+(?:_[a-z0-9]+)+)"', CODE))
    assert raised <= documented
    assert documented <= raised | returned | {"coupon_percent_above_100"}
    for name in documented:
        assert f'"{name}"' in CODE
