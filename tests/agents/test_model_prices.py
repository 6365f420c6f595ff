"""What a chat model costs: the price list is checked, and a model may be missing in it."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from agents.conversation import BudgetSpentError
from agents.voice import load_prices, require_chat
from data.contracts.errors import ContractViolationError, RecordCorruptError
from data.contracts.wording import ModelUse
from data.settings import Settings
from flows.runtime.execution.model_budget import ModelBudget, Spending
from tests.agents.test_worded import TRUE, desk, worded_income
from tests.chat_server import ChatServer, Reply

LIST = """\
prices: chat-models
version: "1"
effective_from: 2026-11-01
currency: USD
models:
  gpt-4.1-mini: {input: "0.40", output: "1.60"}
"""


def data_with(tmp_path: Path, prices: str) -> Path:
    """A data folder with this price list."""
    data = tmp_path / "data"
    shutil.copytree(Settings().data_dir / "chat", data / "chat")
    (data / "chat" / "prices.yaml").write_text(prices, encoding="utf-8")
    return data


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"1.60"', '"-1.60"', "/models/gpt-4.1-mini/output"),
        ('"1.60"', '"1,60"', "/models/gpt-4.1-mini/output"),
        (', output: "1.60"', "", "/models/gpt-4.1-mini/output"),
        ('"1.60"', '"1.60", cached: "0.10"', "/models/gpt-4.1-mini/cached"),
        ("gpt-4.1-mini", "my model", "/models/my model"),
        ("USD", "EUR", "/currency"),
        ("currency: USD\n", "", "/currency"),
        ("2026-11-01", "soon", "/effective_from"),
    ],
)
def test_a_wrong_price_list_is_refused_with_file_model_and_field(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    data = data_with(tmp_path, LIST.replace(old, new))

    with pytest.raises(RecordCorruptError) as refused:
        load_prices(data)

    assert refused.value.message.startswith(f"prices.yaml: {named}")


def test_a_desk_on_a_chat_model_does_not_start_with_a_wrong_price_list(
    server: ChatServer, tmp_path: Path
) -> None:
    data = data_with(tmp_path, LIST.replace("USD", "EUR"))

    with pytest.raises(RecordCorruptError, match="/currency"):
        require_chat(desk(server, data_dir=data))
    require_chat(Settings(data_dir=data))


@pytest.mark.parametrize("limit", ["chat_run_usd", "chat_stage_usd"])
def test_a_budget_in_dollars_needs_a_price(server: ChatServer, limit: str) -> None:
    priced = desk(server, **{limit: "1"})
    require_chat(priced)

    with pytest.raises(ContractViolationError) as refused:
        require_chat(desk(server, chat_model="local", **{limit: "1"}))

    assert "no price for local: add it there, or unset" in refused.value.message


def test_a_budget_in_dollars_needs_a_price_that_applies_today(
    server: ChatServer, tmp_path: Path
) -> None:
    data = data_with(tmp_path, LIST.replace("2026-11-01", "2999-01-01"))
    require_chat(desk(server, data_dir=data))

    with pytest.raises(ContractViolationError, match="apply from 2999-01-01 only"):
        require_chat(desk(server, data_dir=data, chat_run_usd="1"))


async def test_the_cost_of_a_model_without_a_price_is_unknown_and_the_log_says_so(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.says(Reply(TRUE))

    said = await worded_income(desk(server, chat_model="local/llama:8b"))

    assert said.use.calls == 1
    assert said.use.cost_usd is None
    assert "no price for local/llama:8b: its cost is unknown" in caplog.text


def test_an_unknown_cost_makes_a_sum_unknown_and_fits_no_budget_in_dollars() -> None:
    known, unknown = (
        ModelUse(model="a", cost_usd=Decimal("0.10")),
        ModelUse(model="b", cost_usd=None),
    )
    account = Spending(ModelBudget(run_usd=Decimal(1)))

    assert (known + known).cost_usd == Decimal("0.20")
    assert (known + unknown).cost_usd is None
    assert (unknown + known).cost_usd is None
    account.reserve("kyc", 10, Decimal("0.10"))
    with pytest.raises(BudgetSpentError, match="used up its budget"):
        account.reserve("kyc", 10, None)
