from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oidc_metadata
import pytest
from oidc_metadata import described, file_name, main, revealed
from program import Failure

from tests.real.certificates import Authority
from tests.real.openid import OpenIdProvider, openid_provider
from tests.real.servers import LOOPBACK, free_port


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(oidc_metadata, "PATIENCE_SECONDS", 0.1)
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def provider(authority: Authority) -> Iterator[OpenIdProvider]:
    """A provider over HTTPS."""
    with openid_provider(authority.issue("provider", "provider", addresses=(LOOPBACK,))) as found:
        yield found


def written(directory: Path, *providers: dict[str, Any], **plan: Any) -> dict[str, dict[str, Any]]:
    """What the program writes, by the end of the file's name."""
    (directory / "plan.json").write_text(json.dumps({"directory": str(directory / "metadata"), "providers": providers, **plan}))
    main([str(directory / "plan.json")])
    return {file.suffix[1:]: json.loads(file.read_text()) for file in (directory / "metadata").iterdir()}


def told(issuer: str, **more: Any) -> dict[str, Any]:
    return {"issuer": issuer, "client": {"client_id": "os"}, "conf": {"scope": "openid"}, **more}


@pytest.mark.parametrize(
    ("issuer", "name"),
    [
        ("https://sso.example.org/auth/realms/iam", "sso.example.org%2Fauth%2Frealms%2Fiam.client"),
        ("https://tenant.example.org/", "tenant.example.org.client"),
        ("http://sso.example.org:8080/~a_b-c", "sso.example.org%3A8080%2F~a_b-c.client"),
    ],
)
def test_a_file_has_the_name_of_the_issuer_without_scheme_and_last_slash(issuer: str, name: str) -> None:
    assert file_name(issuer, "client") == name


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_SECRET_1", 'any "thing" \\ at all')
    assert revealed({"id": "os", "secret": {"env": "OIDC_SECRET_1"}}) == {"id": "os", "secret": 'any "thing" \\ at all'}


def test_a_secret_that_the_environment_lacks_is_named() -> None:
    with pytest.raises(Failure, match="OIDC_SECRET_9"):
        revealed({"secret": {"env": "OIDC_SECRET_9"}})


@pytest.mark.parametrize("text", ["", "[]", "{}", "<html>", '{"issuer": "https://b.example.org"}'])
def test_what_does_not_describe_the_issuer_is_refused(text: str) -> None:
    with pytest.raises(Failure, match=r"^the variable A describes? the issuer|^the variable A does not describe"):
        described("https://a.example.org", text, "the variable A")


def test_a_provider_whose_authority_is_known_is_asked(tmp_path: Path, authority: Authority, provider: OpenIdProvider) -> None:
    plan = told(provider.url, authority=str(authority.certificate))
    files = written(tmp_path, plan, bundle=str(tmp_path / "bundle.pem"))
    assert files == {"client": {"client_id": "os"}, "conf": {"scope": "openid"}, "provider": provider.description()}


def test_what_is_written_is_for_nobody_else_to_read(tmp_path: Path, provider: OpenIdProvider) -> None:
    written(tmp_path, told(provider.url, conf={"ssl_validate_server": False}))
    files = [tmp_path / "metadata", *(tmp_path / "metadata").iterdir()]
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_the_bundle_holds_the_authorities_of_the_image_and_those_of_the_providers(
    tmp_path: Path, authority: Authority, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "image.pem"
    image.write_bytes(Authority(tmp_path).certificate.read_bytes())
    monkeypatch.setattr(oidc_metadata, "IMAGE_AUTHORITIES", str(image))
    written(tmp_path, told(provider.url, authority=str(authority.certificate)), bundle=str(tmp_path / "bundle.pem"))
    assert (tmp_path / "bundle.pem").read_text() == f"{image.read_text()}\n{authority.certificate.read_text()}"


def test_a_provider_whose_authority_is_unknown_is_not_believed(
    tmp_path: Path, provider: OpenIdProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "provider" not in written(tmp_path, told(provider.url))
    said = capsys.readouterr().out
    assert f"nobody can log in through {provider.url} until it answers" in said
    assert "certificate verify failed" in said


@pytest.mark.parametrize("off", [False, "Off", "off", "false", 0])
def test_a_certificate_is_left_unchecked_where_the_operator_says_so(tmp_path: Path, provider: OpenIdProvider, off: Any) -> None:
    assert "provider" in written(tmp_path, told(provider.url, conf={"ssl_validate_server": off}))


def test_a_provider_that_is_away_does_not_keep_the_others_from_being_written(tmp_path: Path) -> None:
    with openid_provider() as there:
        written(tmp_path, told(f"http://{LOOPBACK}:{free_port()}"), told(there.url))
    kinds = sorted(file.suffix for file in (tmp_path / "metadata").iterdir())
    assert kinds == [".client", ".client", ".conf", ".conf", ".provider"]


def test_a_provider_that_does_not_describe_itself_is_described_by_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_SECRET_1", '{"issuer": "https://sso.example.org", "jwks_uri": "https://sso.example.org/keys"}')
    files = written(tmp_path, told("https://sso.example.org", provider={"env": "OIDC_SECRET_1"}))
    assert files["provider"]["jwks_uri"] == "https://sso.example.org/keys"


def test_a_container_that_starts_again_writes_the_same(tmp_path: Path) -> None:
    with openid_provider() as there:
        assert written(tmp_path, told(there.url)) == written(tmp_path, told(there.url))
