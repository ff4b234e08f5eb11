from __future__ import annotations

import inspect
import json
import re
import types
from pathlib import Path

import pytest
import yaml

from stackloom import cli, hookspecs, plugins
from stackloom.app import Cloud
from stackloom.constructs.context import ServiceContext
from stackloom.oslo.check import check
from stackloom.oslo.schema import Schema

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WORDS = ("api", "worker", "stateful", "agent", "task", "migrate_database", "clean_database", "register_in_catalogue")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def plugin_from(code: str) -> types.ModuleType:
    module = types.ModuleType("from_the_docs")
    exec(compile(code, "docs/plugins.md", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the docs' own code
    return module


@pytest.mark.parametrize("number", range(3))
def test_the_programs_of_the_python_page_write_an_output(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deployment.yaml").write_text((ROOT / "deployment.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python.md", "python")[number], "docs/python.md", "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102
    assert list((tmp_path / "dist" / "keystone").glob("*.yaml"))


def test_the_plugin_of_the_plugins_page_makes_its_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = yaml.safe_load((ROOT / "deployment.yaml").read_text())
    spec = yaml.safe_load(blocks("plugins.md", "yaml")[0])["spec"]
    deployment["spec"] |= spec
    path = tmp_path / "deployment.yaml"
    path.write_text(yaml.safe_dump(deployment))
    monkeypatch.chdir(tmp_path)
    loaded = plugins.load(extra={"vitrage": plugin_from(blocks("plugins.md", "python")[0])})
    Cloud(path, plugins=loaded).synth()
    api = yaml.safe_load((tmp_path / "dist" / "vitrage" / "Deployment.vitrage-api.yaml").read_text())
    assert api["spec"]["replicas"] == 5


def test_the_schema_of_the_plugins_page_is_one() -> None:
    schema = Schema(json.loads(blocks("plugins.md", "json")[0]))
    known = schema.file("vitrage")
    assert known
    (finding,) = check({"datasources": {"snapshots_interval": 5}}, known)
    assert finding.hint == "It must be a whole number of 10 at least"
    assert plugin_from(blocks("plugins.md", "python")[1]).AGENT.schema == "vitrage"


@pytest.mark.parametrize("number", range(2))
def test_the_deployments_of_the_options_page_are_taken(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = yaml.safe_load((ROOT / "deployment.yaml").read_text())
    deployment["spec"] |= yaml.safe_load(blocks("options.md", "yaml")[number])["spec"]
    path = tmp_path / "deployment.yaml"
    path.write_text(yaml.safe_dump(deployment))
    monkeypatch.chdir(tmp_path)
    assert Cloud(path).checked()


def test_the_hooks_of_the_plugins_page_load() -> None:
    for code in blocks("plugins.md", "python")[2:4]:
        assert plugins.load(extra={"docs": plugin_from(code)})


def test_the_contract_of_the_plugins_page_is_one_for_pytest() -> None:
    (contract,) = (code for code in blocks("plugins.md", "python") if "ServiceContract" in code)
    tests = [name for name in dir(plugin_from(contract).TestVitrage) if name.startswith("test_")]
    assert len(tests) == 16


def test_the_plugins_page_shows_each_hook_with_its_arguments() -> None:
    page = (DOCS / "plugins.md").read_text()
    for name, hook in vars(hookspecs).items():
        if name.startswith("stackloom_"):
            assert f"`{name}({', '.join(inspect.signature(hook).parameters)})`" in page


def test_the_plugins_page_shows_each_word_of_the_vocabulary() -> None:
    page = (DOCS / "plugins.md").read_text()
    assert [word for word in WORDS if f"`ctx.{word}(" not in page] == []
    assert [word for word in WORDS if not hasattr(ServiceContext, word)] == []


@pytest.mark.parametrize(("command", "page"), [("schema", "deployment.schema.json"), ("reference", "reference.md")])
def test_the_generated_pages_are_fresh(command: str, page: str, tmp_path: Path) -> None:
    fresh = tmp_path / page
    cli.app([command, "--output", str(fresh)], standalone_mode=False)
    assert fresh.read_text() == (DOCS / page).read_text(), "run make schema and commit"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
