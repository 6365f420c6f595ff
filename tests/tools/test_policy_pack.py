"""A policy pack with a mistake is refused at load."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.contracts.errors import RecordCorruptError
from data.settings import Settings
from tools.policy import load_policy

DATA = Settings().data_dir


def _rule(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(pack: dict[str, Any]) -> None:
        pack["rules"][0].update(changes)

    return change


def _without_reason(pack: dict[str, Any]) -> None:
    del pack["rules"][0]["reason"]


def _twice(pack: dict[str, Any]) -> None:
    pack["rules"].append(pack["rules"][0])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_without_reason, "/rules/0/reason"),
        (_twice, "given twice"),
        (_rule(reason="R42"), "/rules/0/reason"),
        (_rule(colour="blue"), "/rules/0/colour"),
        (_rule(when={"fact": "shoe_size", "op": "gt", "value": 9}), "no such fact"),
        (_rule(when={"fact": "pd", "op": "about", "value": 0.1}), "/rules/0/when"),
        (_rule(when={"fact": "pd", "op": "gt", "value": "high"}), "needs a number"),
        (_rule(when={"fact": "pd", "op": "in", "value": ["0.1"]}), "needs a number"),
        (_rule(when={"fact": "pd", "op": "missing", "value": 1}), "takes no value"),
        (_rule(when={"fact": "thin_file", "op": "eq", "value": "yes"}), "true or false"),
        (_rule(when={"fact": "fraud_band", "op": "eq", "value": "sky-high"}), "ever has"),
        (_rule(when={"fact": "fraud_band", "op": "gt", "value": "low"}), "no order"),
        (_rule(when={"fact": "state", "op": "in", "value": "IL"}), "needs a list"),
        (_rule(when={"fact": "bureau_alerts", "op": "eq", "value": "x"}), "contains"),
        (_rule(when={"fact": "bureau_alerts", "op": "contains", "value": "x"}), "ever has"),
        (_rule(when={"fact": "state", "op": "contains", "value": "IL"}), "needs a list"),
        (_rule(when={"all": []}), "/rules/0/when"),
        (_rule(outcome="cap"), "cap_fact"),
        (_rule(cap_fact="pd"), "cap_fact"),
        (_rule(outcome="cap", cap_fact="grade"), "not an amount"),
        (_rule(outcome="stipulate"), "says what is asked for"),
        (_rule(stipulation={"code": "x", "text": "x"}), "asks for something"),
        (_rule(effective_to="2020-01-01"), "ends before"),
        (_rule(gate="underwriter"), "hard decline"),
    ],
)
def test_a_pack_with_a_mistake_is_refused_at_load(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], why: str
) -> None:
    pack = yaml.safe_load((DATA / "policy" / "personal-loan.yaml").read_text())
    change(pack)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "personal-loan.yaml").write_text(yaml.safe_dump(pack))

    with pytest.raises(RecordCorruptError, match=why) as refused:
        load_policy(tmp_path)

    assert "personal-loan.yaml" in str(refused.value)
