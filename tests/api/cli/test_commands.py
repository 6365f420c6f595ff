"""The commands: their requests to the desk, their output, their exit codes."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.cli.answered import AnsweredError
from api.cli.client import DeskClient
from data.contracts.base import Contract
from data.contracts.bundle import BundleParts
from data.contracts.errors import (
    AlreadyAnsweredError,
    ContractViolationError,
    Problem,
    UnavailableError,
)
from data.contracts.events import EventType
from data.contracts.review import Channel, Role
from data.contracts.runs import RunStatus
from data.contracts.underwriting import Overrides
from data.settings import Settings
from data.version import code_version
from flows.runtime.ledger.database import Ledger
from flows.service.requests import Caller, OpenRequest, ResumeRun, RunPage
from tests.api.desks import REVIEW, RUN_ID, FakeDesk
from tests.api.journals import a_run, tell
from tests.processes import ending

ROOT = Path(__file__).parents[3]
ADA = Settings().data_dir / "synthetic" / "ada-prime.json"
ANSWER = ["--decision", "approve", "--reviewer", "u-1", "--reason", "long tenure"]


def run(*arguments: str, **given: Any) -> Any:
    """The outcome of one command line."""
    return CliRunner().invoke(app, list(arguments), **given)


def told(ledger: Ledger, *types: EventType, status: RunStatus) -> None:
    """A run with this journal and status."""

    async def write() -> None:
        await a_run(ledger)
        await tell(ledger, RUN_ID, *types, status=status)

    asyncio.run(write())


def test_help_names_every_command() -> None:
    shown = run("--help").stdout

    for command in (
        *("up", "demo", "submit", "follow", "runs", "inbox", "answer", "resume", "graph", "mcp"),
        *("server", "worker", "api", "deploy"),
    ):
        assert f" {command} " in shown


def test_help_imports_nothing_heavy() -> None:
    probe = (
        "import sys; from api.cli import app; from typer.testing import CliRunner;"
        " CliRunner().invoke(app, ['--help']);"
        " print([name for name in ('prefect', 'fastapi', 'sqlalchemy', 'httpx', 'pydantic')"
        " if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "[]"


def test_without_a_key_the_command_line_is_a_caller_like_any_other(
    desk: FakeDesk, url: str
) -> None:
    ended = run("submit", "bora-borderline", "--as", "copy", "--api", url)

    request, caller = desk.asked[0]
    assert ended.exit_code == 0
    assert (request.application_id, request.options.as_) == ("bora-borderline", "copy")
    assert caller.channel is Channel.HTTP
    assert f"credit-desk follow {RUN_ID}" in ended.stdout


@pytest.mark.parametrize("by_stdin", [False, True])
def test_a_file_is_submitted_as_it_is(desk: FakeDesk, url: str, by_stdin: bool) -> None:
    given = {"input": ADA.read_bytes()} if by_stdin else {}
    ended = run("submit", "-" if by_stdin else str(ADA), "--json", "--api", url, **given)

    request, _ = desk.asked[0]
    assert ended.exit_code == 0
    assert json.loads(ended.stdout)["run_id"] == RUN_ID
    assert request.application.application.application_id == "ada-prime"
    assert len(request.application.documents) > 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.json", b"{\n  oops}", "is not JSON: line 2, column 3"),
        ("latin.json", b'{"a": "\xe9"}', "is not UTF-8"),
        ("absent.json", None, "there is no file"),
    ],
)
def test_a_file_that_cannot_be_read_is_bad_input(
    tmp_path: Path, closed_port: str, name: str, content: bytes | None, said: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)

    ended = run("submit", str(file), "--api", closed_port)

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_key_given_twice_reaches_the_desk_that_refuses_it(
    tmp_path: Path, desk: FakeDesk, url: str
) -> None:
    file = tmp_path / "twice.json"
    file.write_text('{"application_id": "a", "application_id": "b"}')

    ended = run("submit", str(file), "--api", url)

    assert ended.exit_code == 2
    assert "a key twice" in ended.stderr
    assert desk.asked == []


def test_what_is_wrong_is_said_field_by_field(desk: FakeDesk, url: str) -> None:
    desk.error = ContractViolationError(
        "application", [Problem("/amount_requested", "greater_than", "must be above 0")]
    )

    ended = run("submit", "ada-prime", "--api", url)

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == "credit-desk: /amount_requested: must be above 0\n"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (UnavailableError("Prefect is away"), "try again in a moment"),
        (ZeroDivisionError("x"), "see logs/api.log in the desk's folder"),
    ],
)
def test_a_refusal_is_one_line_with_the_next_step_and_exit_code_1(
    desk: FakeDesk, url: str, error: Exception, hint: str
) -> None:
    desk.error = error

    ended = run("submit", "ada-prime", "--json", "--api", url)

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert hint in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_what_the_desk_does_not_have_is_listed_by_its_own_command() -> None:
    def refusal(detail: str) -> str:
        return str(AnsweredError(404, {"code": "record_not_found", "detail": detail}))

    assert "`credit-desk bundle list`" in refusal("there is no bundle spring")
    assert "`credit-desk batches`" in refusal("there is no batch 1")
    assert "`credit-desk runs`" in refusal("there is no run 1")


def test_a_guard_over_an_unknown_metric_is_told_the_metrics(url: str) -> None:
    words = ("--challenger", "spring", "--guard", "loss<=0.1")

    ended = run("canary", "start", *words, "--api", url)

    assert ended.exit_code == 2
    assert "loss_rate" in ended.stderr
    assert "approval_rate" in ended.stderr


def test_without_a_desk_the_way_to_one_is_named(tmp_path: Path, closed_port: str) -> None:
    by_folder = run("runs", "--home", str(tmp_path))
    by_address = run("runs", "--api", closed_port)

    for ended in (by_folder, by_address):
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "credit-desk up" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit"],
        ["unheard-of"],
        ["runs", "--limit", "0"],
        ["runs", "--api", "desk.example"],
        ["answer", RUN_ID, "--decision", "approve"],
        ["answer", RUN_ID, *ANSWER, "--set", "amount"],
        ["graph", "--format", "png"],
        ["graph", "--out", "map.png"],
        ["up", "--port", "70000"],
        ["up", "--port", "8000", "--prefect-port", "8000"],
    ],
)
def test_bad_arguments_are_exit_code_2_and_nothing_on_stdout(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDIT_DESK_HOME", str(tmp_path))

    ended = run(*arguments)

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr


def test_bad_settings_are_named_without_their_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDIT_DESK_HOME", str(tmp_path))
    monkeypatch.setenv("CREDIT_DESK_API_PORT", "s3cret")

    ended = run("up")

    assert ended.exit_code == 2
    assert "/api_port" in ended.stderr
    assert "s3cret" not in ended.stderr


def test_runs_are_listed_for_people_and_for_machines(desk: FakeDesk, url: str) -> None:
    for_people = run("runs", "--status", "queued", "--limit", "5", "--api", url)
    for_machines = run("runs", "--application", "ada-prime", "--json", "--api", url)

    assert desk.asked == [(RunStatus.QUEUED, None, 5, None), (None, "ada-prime", 20, None)]
    assert for_people.stdout.split("\t")[:3] == [RUN_ID, "ada-prime", "queued"]
    assert json.loads(for_machines.stdout)["items"][0]["run_id"] == RUN_ID


def test_an_empty_inbox_is_said_to_be_empty(desk: FakeDesk, url: str) -> None:
    empty = run("inbox", "--role", "compliance", "--api", url)

    assert empty.stdout == "None waits for compliance.\n"
    assert json.loads(run("inbox", "--json", "--api", url).stdout) == []
    assert {asked[0] for asked in desk.asked} == {Role.COMPLIANCE, None}


def test_the_inbox_is_read_to_its_last_page(desk: FakeDesk, url: str) -> None:
    run("inbox", "--api", url)

    assert desk.asked == [(None, 100, None), (None, 100, "next")]


def test_an_answer_carries_the_form_s_fields_as_json_values(desk: FakeDesk, url: str) -> None:
    ended = run(
        *("answer", RUN_ID, "--gate", "underwriter", *ANSWER, "--api", url),
        *("--set", "amount=9000", "--set", "rate=0.1299", "--set", "reason_code=R08"),
        *("--set", 'document_ids=["a", "b"]', "--set", "note=x=y", "--set", "odd=NaN"),
    )

    _, answer, caller, *_ = desk.asked[1]
    assert ended.exit_code == 0
    assert (answer.gate, answer.request_id) == ("underwriter", REVIEW.request_id)
    assert answer.fields == {
        "decision": "approve",
        "reviewer": "u-1",
        "reason": "long tenure",
        "amount": 9000,
        "rate": 0.1299,
        "reason_code": "R08",
        "document_ids": ["a", "b"],
        "note": "x=y",
        "odd": "NaN",
    }
    assert caller.channel is Channel.HTTP


def test_a_preview_is_shown_in_words_and_nothing_is_answered(desk: FakeDesk, url: str) -> None:
    shown = run("answer", RUN_ID, *ANSWER, "--preview", "--api", url)
    as_json = run("answer", RUN_ID, *ANSWER, "--preview", "--json", "--api", url)

    assert shown.output.splitlines() == [
        "Not answered. The outcome would be: decline (R09 excessive obligations)",
        "Condition: Confirm the income.",
        "Against the policy: an override",
        "A second person has to agree",
    ]
    assert json.loads(as_json.output)["request_id"] == REVIEW.request_id
    assert {len(asked) for asked in desk.asked} == {1, 4}, "the request and the preview"


def test_the_agreement_of_people_with_the_policy_is_a_table(desk: FakeDesk, url: str) -> None:
    shown = run("agreement", "--since", "2026-11-01", "--api", url)
    as_json = run("agreement", "--json", "--api", url)

    assert shown.output.splitlines() == [
        "Recommended\tCases\tFollowed\tOverridden\tOutcomes\tReasons",
        "decline\t3\t2\t1\tdecline 2, approve 1\tR09 2",
        "2026-11-22 to 2026-11-22: 3 cases, 66.7% followed; 1 of 2 second approvals refused",
    ]
    assert json.loads(as_json.output)["cases"] == 3
    assert desk.asked == [(date(2026, 11, 1), None), (None, None)]


def test_the_precision_of_signs_of_fraud_is_a_table(desk: FakeDesk, url: str) -> None:
    shown = run("fraud-precision", "--api", url)
    as_json = run("fraud-precision", "--json", "--api", url)

    assert shown.output.splitlines() == [
        "Sign\tConfirmed\tFalse positives\tPrecision",
        "total\t1\t1\t50.0%",
        "medium\t1\t1\t50.0%",
    ]
    assert json.loads(as_json.output)["signals"] == []


def test_an_answer_without_a_gate_is_bound_to_the_open_request(desk: FakeDesk, url: str) -> None:
    run("answer", RUN_ID, *ANSWER, "--json", "--api", url)

    answer = desk.asked[1][1]
    assert desk.asked[0] == (RUN_ID,)
    assert (answer.gate, answer.request_id) == ("underwriter", REVIEW.request_id)


def test_an_answer_at_another_gate_than_the_open_one_names_no_request(
    desk: FakeDesk, url: str
) -> None:
    run("answer", RUN_ID, "--gate", "compliance", *ANSWER, "--api", url)

    answer = desk.asked[1][1]
    assert (answer.gate, answer.request_id) == ("compliance", None)


def test_an_answer_is_sent_again_with_its_key_although_nothing_is_open(
    desk: FakeDesk, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_open(run_id: str, caller: Caller) -> OpenRequest:
        raise AlreadyAnsweredError("the request at 'underwriter' has been answered")

    monkeypatch.setattr(desk, "open_request", nothing_open)

    ended = run(
        *("answer", RUN_ID, "--gate", "underwriter", *ANSWER, "--api", url),
        *("--idempotency-key", "once"),
    )

    _, answer, _, key, _ = desk.asked[0]
    assert ended.exit_code == 0
    assert (answer.request_id, key) == (None, "once")


def test_an_answer_names_documents(desk: FakeDesk, url: str) -> None:
    documents = ("--document", "w2", "--document", "paystub")

    run("answer", RUN_ID, *ANSWER, *documents, "--api", url)

    assert desk.asked[1][1].fields["document_ids"] == ["w2", "paystub"]


def test_a_document_is_filed(desk: FakeDesk, url: str, tmp_path: Path) -> None:
    file = tmp_path / "w2.json"
    file.write_text("{}")

    ended = run("document", "ada-prime", str(file), "--kind", "w2", "--api", url)

    application_id, request = desk.asked[0]
    assert ended.stdout == "Filed w2 (w2, 2 bytes) for ada-prime\n"
    assert (application_id, request.document_id, request.content_base64) == (
        *("ada-prime", "w2"),
        "e30=",
    )


def test_an_application_is_erased_by_its_id(desk: FakeDesk, url: str) -> None:
    ended = run("erase", "ada-prime", "--api", url)

    (application_id, caller) = desk.asked[0]
    assert (application_id, caller.name) == ("ada-prime", "")
    assert ended.stdout == "Personal data of ada-prime was erased at 2026-11-22 08:23 UTC\n"


def test_an_answer_that_comes_too_late_is_exit_code_1(desk: FakeDesk, url: str) -> None:
    desk.error = AlreadyAnsweredError("the request at 'underwriter' has been answered")

    ended = run("answer", RUN_ID, "--gate", "underwriter", *ANSWER, "--api", url)

    assert ended.exit_code == 1
    assert "has been answered" in ended.stderr


def test_a_run_is_resumed_from_a_checkpoint_with_overrides(desk: FakeDesk, url: str) -> None:
    ended = run(
        *("resume", RUN_ID, "--from", "verification/1", "--set", "amount=9000", "--api", url)
    )

    assert ended.exit_code == 0
    request = ResumeRun(checkpoint="verification/1", overrides={"amount": 9000})
    assert desk.asked[0][1] == request


def test_a_fork_that_is_to_decide_is_asked_for(desk: FakeDesk, url: str) -> None:
    ended = run("resume", RUN_ID, "--from", "start", "--decide", "--api", url)

    assert ended.exit_code == 0
    assert desk.asked[0][1] == ResumeRun(checkpoint="start", decide=True)


def test_deciding_without_a_place_to_begin_is_refused(desk: FakeDesk, url: str) -> None:
    ended = run("resume", RUN_ID, "--decide", "--api", url)

    assert ended.exit_code == 2
    assert "name the checkpoint where the fork begins" in ended.stderr
    assert desk.asked == []


def test_the_map_goes_to_stdout_or_into_a_file_in_its_form(
    desk: FakeDesk, url: str, tmp_path: Path
) -> None:
    out = tmp_path / "map.dot"

    shown = run("graph", "--run", RUN_ID, "--api", url)
    written = run("graph", "--out", str(out), "--api", url)
    refused = run("graph", "--out", str(tmp_path / "none" / "map.svg"), "--api", url)

    assert shown.stdout == "the map as svg\n"
    assert written.exit_code == 0
    assert out.read_text() == "the map as dot"
    assert refused.exit_code == 2
    assert desk.asked == [("svg", RUN_ID), ("dot", None), ("svg", None)]


def test_following_prints_each_event_and_then_what_came_of_it(url: str, ledger: Ledger) -> None:
    told(ledger, EventType.RUN_STARTED, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)

    ended = run("follow", RUN_ID, "--api", url)

    assert ended.stdout.splitlines()[:2] == [
        "  50%  bureau        number 1",
        "  50%  bureau        number 2",
    ]
    assert f"Run {RUN_ID} of ada-prime" in ended.stdout


def test_following_as_json_prints_one_event_a_line_and_nothing_else(
    url: str, ledger: Ledger
) -> None:
    told(ledger, EventType.RUN_STARTED, EventType.RUN_FAILED, status=RunStatus.FAILED)

    ended = run("follow", RUN_ID, "--json", "--api", url)

    assert [json.loads(line)["id"] for line in ended.stdout.splitlines()] == [1, 2]


def test_following_ends_in_1_unless_the_run_was_completed(
    url: str, desk: FakeDesk, ledger: Ledger
) -> None:
    told(ledger, EventType.RUN_FAILED, status=RunStatus.FAILED)
    desk.status = RunStatus.FAILED
    failed = run("follow", RUN_ID, "--api", url).exit_code
    desk.status = RunStatus.COMPLETED
    completed = run("follow", RUN_ID, "--api", url).exit_code

    assert (failed, completed) == (1, 0)


def test_following_an_unknown_run_is_bad_input(url: str) -> None:
    ended = run("follow", RUN_ID, "--api", url)

    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "credit-desk runs" in ended.stderr


@pytest.mark.parametrize("named", [RUN_ID[:4], "ada-prime"])
@pytest.mark.parametrize(
    "command",
    [
        *(["follow"], ["show"], ["cancel"], ["resume"], ["checkpoints"], ["memory"], ["decision"]),
        *(["notice"], ["answer", *ANSWER], ["claim", "--reviewer", "u"], ["graph", "--run"]),
        ["note", "a note", "--reviewer", "u"],
        *(["diff", RUN_ID, "policy", "risk", "--other"],),
    ],
    ids=lambda command: command[0],
)
def test_every_command_takes_a_short_id_or_an_application(
    desk: FakeDesk, url: str, command: list[str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = DeskClient.run_id

    async def resolve(client: DeskClient, text: str) -> str:
        asked.append(text)
        return await original(client, text)

    monkeypatch.setattr(DeskClient, "run_id", resolve)

    name, *rest = command
    is_option = rest[-1:] in (["--run"], ["--other"])
    run(name, *([*rest, named] if is_option else [named, *rest]), "--api", url)

    assert named in asked
    assert desk.asked[0][:2] in {(None, "ada-prime"), (None, None)}, "the list of runs"


def test_a_case_is_shown_with_its_summary_and_the_fields_of_an_answer(
    desk: FakeDesk, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.status = RunStatus.WAITING

    shown = run("show", "ada-prime", "--api", url)
    as_json = run("show", RUN_ID, "--json", "--api", url)

    assert "| Asked for |" in shown.stdout
    assert "An answer has a --reviewer, a --reason, and:" in shown.stdout
    assert set(json.loads(as_json.stdout)) == {"run", "request"}


def test_an_empty_list_of_waiting_runs_says_that_none_waits(
    desk: FakeDesk, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(**_: Any) -> RunPage:
        return RunPage(items=())

    monkeypatch.setattr(desk, "runs", none)

    assert run("runs", "--status", "waiting", "--api", url).stdout == "None waits.\n"
    assert "No runs yet" in run("runs", "--api", url).stdout


@pytest.mark.parametrize(
    "arguments",
    [["submit"], ["runs", "--bogus"], ["runs", "--api", "x"], ["runs", "--status", "x"]],
)
def test_an_error_under_json_is_an_object_on_stderr(
    desk: FakeDesk, url: str, arguments: list[str]
) -> None:
    ended = run(*arguments, "--json", *(() if "--api" in arguments else ("--api", url)))

    told = json.loads(ended.stderr)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert set(told) == {"code", "message", "fields", "exit_code"}
    assert told["exit_code"] == 2


def test_the_version_is_shown() -> None:
    assert run("--version").stdout == f"credit-desk {code_version()}\n"


def test_help_shows_no_types_of_python() -> None:
    for arguments in (
        [],
        ["answer"],
        ["resume"],
        ["graph"],
        ["keys", "create"],
        ["batch"],
        ["drift"],
    ):
        shown = run(*arguments, "--help").stdout
        assert not re.search(r"<(str|int|float|bool|path)|list\[|%Y", shown), arguments


def test_shells_can_complete_commands() -> None:
    assert "--show-completion" in run("--help").stdout


@pytest.mark.parametrize(("place", "form"), [("overrides", Overrides), ("parts", BundleParts)])
def test_an_unknown_key_is_told_the_keys(place: str, form: type[Contract]) -> None:
    fields = [{"pointer": f"/{place}/?", "code": "extra_forbidden", "message": "not permitted"}]

    refused = AnsweredError(422, {"code": "contract_violation", "errors": fields})

    assert ", ".join(form.model_fields) in str(refused)


def test_the_keys_of_a_what_if_are_named_in_help_and_an_example_in_the_refusal(url: str) -> None:
    shown = " ".join(run("resume", "--help").stdout.replace("│", "").split())

    assert ", ".join(Overrides.model_fields) in shown
    assert "--set amount_requested=9000" in run("resume", RUN_ID, "--set", "x", "--api", url).stderr


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback(
    url: str, ledger: Ledger
) -> None:
    many = [EventType.PROGRESS] * 400
    told(ledger, *many, EventType.RUN_COMPLETED, status=RunStatus.COMPLETED)
    command = [sys.executable, "-m", "api.cli", "follow", RUN_ID, "--json", "--api", url]

    with ending(
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()

    assert said == ""
    assert process.returncode == 1


def test_ctrl_c_before_anything_was_sent_says_so_and_shows_no_traceback() -> None:
    # It waits for the bytes of the application, which never come.
    entry = "from api.command_line import main; main()"
    command = [sys.executable, "-c", entry, "submit", "-"]

    with ending(
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    ) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read().decode()
        process.wait(timeout=20)

    assert said in {"Nothing was submitted.\n", "credit-desk: ended before it did anything\n"}
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("step", "said"),
    [("before", "Nothing was submitted."), ("sent", "is not known"), ("answered", "The run goes")],
)
def test_ctrl_c_says_what_the_desk_has_of_a_submission_by_then(
    desk: FakeDesk, url: str, monkeypatch: pytest.MonkeyPatch, step: str, said: str
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    where = {
        "before": "api.cli.client.find_desk",
        "sent": "api.cli.client.DeskClient.post",
        "answered": "api.cli.following.show_run",
    }
    monkeypatch.setattr(where[step], interrupted)

    ended = run("submit", "ada-prime", "--follow", "--api", url)

    assert said in ended.stderr
    assert ended.exit_code == 130


def test_ctrl_c_ends_the_command_and_says_that_the_run_goes_on(url: str, ledger: Ledger) -> None:
    told(ledger, EventType.RUN_STARTED, EventType.STAGE_STARTED, status=RunStatus.RUNNING)
    command = [sys.executable, "-m", "api.cli", "follow", RUN_ID, "--api", url]

    with ending(
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)

    assert said.decode() == f"The run goes on. Watch it again: credit-desk follow {RUN_ID}\n"
    assert process.returncode == 130
