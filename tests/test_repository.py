"""What the repository says about itself is so: commands, settings, file names, pictures."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import data
from api.cli import app
from data.settings import Settings
from flows.runtime.graph.drawing.drawing import to_mermaid
from flows.workflow import WORKFLOW

ROOT = Path(data.__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
MAKE_WORDS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def fenced(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """The commands of a page's shell blocks, word by word, without comments."""
    lines = "\n".join(fenced(page, "sh")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def parse_desk_command(words: list[str]) -> None:
    """Raises what the command line raises for a command, option or argument that it lacks."""
    group: Any = typer.main.get_command(app)
    name, *rest = words
    assert name in group.commands, f"there is no `credit-desk {name}`"
    group.commands[name].make_context(name, rest)


def parse_compose_command(words: list[str]) -> None:
    """Raises AssertionError for a service or command of compose that this file does not have."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    match words:
        case ["compose", "exec", service, "credit-desk", *rest]:
            assert service in services
            parse_desk_command(rest)
        case ["compose", *options, "up", "--build", "--detach", "--wait"]:
            assert options in ([], ["--profile", "desk"])
        case _:
            raise AssertionError(f"nothing here checks `docker {shlex.join(words)}`")


# -- the README ----------------------------------------------------------------------------


def test_the_contents_of_the_readme_name_every_chapter_but_their_own() -> None:
    contents = README[: README.index("\n## ")]
    chapters = re.findall(r"^## (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^a-z -]", "", chapter.lower()).replace(" ", "-") for chapter in chapters}

    assert anchors - {"use-it"} <= set(re.findall(r"\]\(#([a-z-]+)\)", contents))


def test_the_picture_in_the_readme_is_the_map_as_it_is_now() -> None:
    assert fenced(README, "mermaid") == [to_mermaid(WORKFLOW)]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_on_a_page_is_one_that_is_there(page: str) -> None:
    for program, *words in commands((ROOT / page).read_text()):
        match program:
            case "make":
                assert words[0] in MAKE_WORDS
                if len(words) > 1:
                    given = shlex.split(words[1].removeprefix("ARGS="))
                    parse_desk_command([words[0], *given])
            case "credit-desk":
                parse_desk_command(words)
            case "export" | "RUN=$(credit-desk" | "FORK=$(credit-desk":
                pass  # tests/test_readme.py pastes them
            case "docker":
                parse_compose_command(words)
            case _:
                assert program == "curl", f"nothing here checks `{program}`"


def test_a_command_that_is_not_there_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="no `credit-desk approve`"):
        parse_desk_command(["approve"])
    with pytest.raises(Exception, match="No such option"):
        parse_desk_command(["submit", "ada-prime", "--quickly"])


def test_the_applicants_that_the_readme_names_are_on_file() -> None:
    on_file = {path.stem for path in (ROOT / "data" / "synthetic").glob("*.json")}
    named = set(re.findall(r"`([a-z]+-[a-z]+)`", README)) - {"credit-desk", "decision-memo"}

    assert named
    assert named <= on_file


# -- names on the pages --------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:api|flows|agents|tools|data|tests|\.ci)/[\w./*-]*)`", text)
    named += re.findall(r"\]\(([^)#:]+)\)", text)

    assert [name for name in named if not list(ROOT.glob(name.rstrip("/")))] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_is_one(page: str) -> None:
    named = set(re.findall(r"CREDIT_DESK_[A-Z_]+[A-Z]", (ROOT / page).read_text()))

    assert named <= set(setting_names())


def test_the_changelog_begins_with_the_version_that_is_built() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    first = re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert first
    assert first[1] == built


# -- settings ------------------------------------------------------------------------------


def setting_names() -> dict[str, str]:
    """Each setting's field by the variable that sets it."""
    return {
        str(found.validation_alias or f"CREDIT_DESK_{name.upper()}"): name
        for name, found in Settings.model_fields.items()
    }


def example_values() -> dict[str, str]:
    example = (ROOT / ".env.example").read_text()
    return dict(re.findall(r"^# ?([A-Z_]+)=(.*)$", example, re.MULTILINE))


def test_the_example_lists_every_setting_and_no_other() -> None:
    assert sorted(example_values()) == sorted(setting_names())


def test_the_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    names = setting_names()
    for variable, value in example_values().items():
        monkeypatch.delenv(variable, raising=False)
        if value:
            monkeypatch.setenv(variable, value)
    shown = Settings(_env_file=None)

    defaults = {name: Settings.model_fields[name].default for name in names.values()}
    assert {name: getattr(shown, name) for name in defaults} == defaults


def test_what_the_example_leaves_empty_is_unset_or_shipped_with_the_desk() -> None:
    names = setting_names()
    empty = [names[variable] for variable, value in example_values().items() if not value]
    defaults = [Settings.model_fields[name].default for name in empty]

    assert all(not value or ROOT in Path(value).parents for value in defaults)


# -- make ----------------------------------------------------------------------------------

FAKE_PYTHON = """#!/bin/sh
case "$*" in
  --version) echo Python 3.12.0 ;;
  *ensurepip*) exit 0 ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *) echo "$@" >>calls ;;
esac
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Make as a person calls it, also where the tests were themselves started by make."""
    inherited = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    env = {name: value for name, value in os.environ.items() if name not in inherited}
    return subprocess.run(["make", *words], cwd=folder, env=env, capture_output=True, text=True)


def test_make_runs_every_file_with_a_long_test_in_full() -> None:
    paths = re.findall(r"tests/[\w/.]+", (ROOT / "Makefile").read_text())
    long = re.compile(r"mark\.soak\b|\bsoak: bool")
    files = {
        path.relative_to(ROOT)
        for path in (ROOT / "tests").rglob("test_*.py")
        if long.search(path.read_text())
    }

    assert files
    assert not [file for file in files if not any(map(file.is_relative_to, paths))]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "requirements.lock").write_text("")
    script(tmp_path / "python-that-works", FAKE_PYTHON)
    return tmp_path


def install(checkout: Path) -> list[str]:
    """What is asked of pip by `make install`."""
    calls = checkout / "calls"
    calls.write_text("")
    done = make(checkout, "install", "PYTHONS=./python-that-works")
    assert done.returncode == 0, done.stderr
    return calls.read_text().splitlines()


def test_install_takes_exactly_what_is_locked(checkout: Path) -> None:
    locked, ourselves = install(checkout)

    assert "install --require-hashes --requirement requirements.lock" in locked
    assert "install --no-deps --editable ." in ourselves


def test_install_is_done_once_and_again_when_the_lock_has_changed(checkout: Path) -> None:
    install(checkout)
    assert install(checkout) == []

    later = (checkout / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(checkout / "requirements.lock", (later, later))
    assert len(install(checkout)) == 2


def test_an_install_that_failed_is_not_taken_for_done(checkout: Path) -> None:
    script(checkout / "python-that-works", FAKE_PYTHON.replace(">>calls", ">>calls; exit 1"))
    failed = make(checkout, "install", "PYTHONS=./python-that-works")
    script(checkout / "python-that-works", FAKE_PYTHON)

    assert failed.returncode != 0
    assert len(install(checkout)) == 2


def test_without_a_fitting_python_make_says_which_is_needed_and_what_is_there(
    checkout: Path,
) -> None:
    script(checkout / "old", '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\necho old: 3.9\n')
    done = make(checkout, "install", "PYTHONS=./old ./none")

    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr
    assert "old: 3.9" in done.stderr
    assert "./none: not found" in done.stderr
    assert not (checkout / ".venv").exists()


def test_plain_make_lists_every_word() -> None:
    listed = re.findall(r"^make ([a-z]+)", make(ROOT, "-s").stdout, re.MULTILINE)

    assert sorted(listed) == sorted(MAKE_WORDS)


def test_arguments_are_passed_on() -> None:
    # -o: whatever is installed here counts as up to date.
    planned = make(ROOT, "-n", "-o", ".venv/.installed", "demo", "ARGS=--yes --home elsewhere")

    assert ".venv/bin/credit-desk demo --yes --home elsewhere" in planned.stdout


# -- the build server ----------------------------------------------------------------------


REQUIRED = ("PG", "BROWSER", "DOT", "REDIS", "COMPOSE", "NODE")
TOOLS = ("python3.11", "dot", "postgres", "chromium", "npm", "redis-server", "docker-compose")


@pytest.fixture
def build_server(tmp_path: Path) -> Path:
    """A machine that has every tool, where `make` only prints and the user is not root."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    tools = tmp_path / "tools"
    for name in TOOLS:
        script(tools / name, "#!/bin/sh\nexit 0\n")
    required = " ".join(f"$CREDIT_DESK_REQUIRE_{name}" for name in REQUIRED)
    script(tools / "make", f'#!/bin/sh\necho "make $* {required}"\n')
    script(tools / "id", "#!/bin/sh\necho 1000\n")
    (tools / "dirname").symlink_to(str(shutil.which("dirname")))
    return tmp_path


def ci(build_server: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(shutil.which("bash")), str(build_server / ".ci" / "run")],
        env={"PATH": str(build_server / "tools")},
        capture_output=True,
        text=True,
    )


def test_a_build_checks_first_and_then_runs_every_test_with_a_database(build_server: Path) -> None:
    done = ci(build_server)

    assert done.stdout.splitlines() == ["make check 1 1 1 1 1 1", "make test 1 1 1 1 1 1"]
    assert done.returncode == 0


def test_a_build_ends_where_the_check_fails(build_server: Path) -> None:
    script(build_server / "tools" / "make", '#!/bin/sh\necho "make $1"\nexit 3\n')
    done = ci(build_server)

    assert done.stdout.splitlines() == ["make check"]
    assert done.returncode == 3


def test_a_build_that_cannot_install_says_what_is_missing_and_goes_on(build_server: Path) -> None:
    (build_server / "tools" / "dot").unlink()
    done = ci(build_server)

    assert done.stdout.splitlines()[0] == "Missing on this machine: graphviz"
    assert done.stdout.splitlines()[-1] == "make test 1 1 1 1 1 1"
    assert done.returncode == 0


def test_before_a_commit_runs_the_same_check() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert [
        (repository["repo"], [hook["entry"] for hook in repository["hooks"]])
        for repository in hooks
    ] == [("local", ["make check"])]
