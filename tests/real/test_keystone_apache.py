"""Log-in through OpenID Connect at a real Apache, in front of an application that says what it is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from stackloom.incluster import read_programs, with_imports
from stackloom_openstack.keystone import federation
from stackloom_openstack.keystone.apache import Server
from stackloom_openstack.keystone.features import KeystoneFeatures
from stackloom_openstack.keystone.openid import LogIn, log_in
from tests.real.apache import PYTHON, Browser, memcached, open_directory, require_apache, run_unprivileged, served_unprivileged
from tests.real.certificates import Authority
from tests.real.openid import OpenIdProvider, openid_provider
from tests.real.servers import LOOPBACK, free_port

pytestmark = pytest.mark.real

APPLICATION = """
import json, os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    claims = {name: value for name, value in environ.items() if "OIDC" in name}
    told = {"claims": claims, "path": environ["PATH_INFO"], "secret": os.environ["OS_DATABASE__CONNECTION"]}
    return [json.dumps(told).encode()]
"""
ENV = {"OIDC_CRYPTO_PASSPHRASE": "0123456789abcdef", "OS_DATABASE__CONNECTION": "mysql://secret"}
ORIGIN = "?origin=https://horizon.example.org/auth/websso/"
ANY_PROVIDER = f"/v3/auth/OS-FEDERATION/websso/mapped{ORIGIN}"


def by_web(name: str) -> str:
    return f"/v3/auth/OS-FEDERATION/identity_providers/{name}/protocols/mapped/websso{ORIGIN}"


def by_token(name: str) -> str:
    return f"/v3/OS-FEDERATION/identity_providers/{name}/protocols/mapped/auth"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    require_apache()
    with open_directory() as made:
        yield made


@pytest.fixture(scope="module")
def cache(directory: Path) -> Iterator[str]:
    with memcached(directory) as address:
        yield address


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("provider", "provider", addresses=(LOOPBACK,))


def features(auth_type: str, providers: Sequence[OpenIdProvider], *, with_authority: bool) -> KeystoneFeatures:
    """Features with these providers, whose names are ``a``, ``b``, ..."""
    secret = {"value_from": {"secret_key_ref": {"name": "sso", "key": "any"}}}
    described = {"description": "Staff", "metadata": {"client": {"client_id": "os", "client_secret": secret}}}
    described |= {"oidc_ca": secret} if with_authority else {}
    named = {name: {**described, "issuer": provider.url} for name, provider in zip("ab", providers, strict=False)}
    openid = {"enabled": True, "oidc_auth_type": auth_type, "providers": named}
    return KeystoneFeatures.model_validate({"federation": {"openid": openid}})


@contextmanager
def pod(chosen: LogIn, cache: str, authority: Authority | None, *, forget: bool) -> Iterator[int]:
    """A Pod of Keystone's API, by its port."""
    with open_directory() as directory:
        port, variables = free_port(), federation.Variables()
        server = Server(name=chosen.host, listen=f"{LOOPBACK}:{port}", workers=2, directory=str(directory), python_home="/usr")
        server = replace(server, script=str(directory / "keystone.wsgi"), authorities=str(directory))
        conf, plan = directory / "apache.conf", directory / "plan.json"
        conf.write_text(federation.apache_conf(chosen, server, [cache], variables))
        plan.write_text(json.dumps(federation.metadata_plan(chosen, server, variables)))
        (directory / "keystone.wsgi").write_text(APPLICATION)
        if authority:
            for name in chosen.providers:
                shutil.copy(authority.certificate, directory / f"{name}.pem")
        env = ENV | dict.fromkeys(variables.env, "a client's secret")
        if chosen.oauth2:
            texts = read_programs()
            for name in with_imports("oidc_metadata.py", texts):
                (directory / name).write_text(texts[name])
            run_unprivileged(PYTHON, str(directory / "oidc_metadata.py"), str(plan), env=env)
            for file in Path(server.metadata).glob("*.provider") if forget else ():
                file.unlink()
        assert "Syntax OK" in run_unprivileged("apache2", "-t", "-f", str(conf), env=env)
        with served_unprivileged("apache2", "-DFOREGROUND", "-f", str(conf), env=env, port=port, log=directory / "log"):
            yield port


@contextmanager
def keystone(
    auth_type: str,
    cache: str,
    *providers: OpenIdProvider,
    pods: int = 1,
    authority: Authority | None = None,
    forget: bool = False,
) -> Iterator[Browser]:
    """A browser that visits Keystone's Pods; ``forget`` loses what providers have said of themselves before these started."""
    chosen = log_in(features(auth_type, providers, with_authority=authority is not None), "example.org")
    assert chosen
    with ExitStack() as stack:
        ports = [stack.enter_context(pod(chosen, cache, authority, forget=forget)) for _ in range(pods)]
        yield Browser(chosen.host, ports)


def sent_to(browser: Browser, path: str) -> str:
    """The page of a provider to which a path sends a browser in the end; or the status with which it does not."""
    status, where, _ = browser.visit(path)
    while status == 302 and urlsplit(where).netloc == browser.host:
        status, where, _ = browser.visit(where)
    return where or str(status)


def log_in_as(browser: Browser, provider: OpenIdProvider, path: str, **claims: object) -> str:
    """Log in at the provider. Where Keystone then sends the browser."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent_to(browser, path)).query).items()}
    token = provider.token(aud=asked["client_id"], nonce=asked["nonce"], **claims)
    status, back, text = browser.visit(
        asked["redirect_uri"], form={"id_token": token, "state": asked["state"], "response_mode": "fragment"}
    )
    assert status == 302, text
    return back


@pytest.fixture(scope="module", params=["oauth20", "oauth2"])
def visited(request: pytest.FixtureRequest, cache: str) -> Iterator[tuple[Browser, OpenIdProvider]]:
    with openid_provider() as provider, keystone(request.param, cache, provider, pods=2) as browser:
        yield browser, provider


@pytest.fixture
def provider(visited: tuple[Browser, OpenIdProvider]) -> OpenIdProvider:
    return visited[1]


@pytest.fixture
def browser(visited: tuple[Browser, OpenIdProvider]) -> Browser:
    return replace(visited[0], cookies={}, visits=0)


def test_keystone_is_served_and_knows_its_secrets(browser: Browser) -> None:
    assert browser.told("/v3") == {"claims": {}, "path": "/v3", "secret": "mysql://secret"}


@pytest.mark.parametrize("path", [ANY_PROVIDER, by_web("a")])
def test_a_browser_is_sent_to_the_provider(browser: Browser, provider: OpenIdProvider, path: str) -> None:
    assert sent_to(browser, path).startswith(f"{provider.url}/authorize?")


def test_who_logs_in_at_the_provider_is_known_to_keystone_in_every_pod(browser: Browser, provider: OpenIdProvider) -> None:
    back = log_in_as(browser, provider, by_web("a"), iam_username="jane", email="jane@example.org", iam_roles=["x", "y"])
    assert back == f"https://{browser.host}{by_web('a')}"
    for _ in browser.ports:
        claims = browser.told(back)["claims"]
        assert claims["HTTP_OIDC_ISS"] == provider.url
        assert {"OIDC-iam_username": "jane", "OIDC-email": "jane@example.org", "OIDC-iam_roles": "x;y"}.items() <= claims.items()


def test_who_has_an_access_token_of_the_provider_is_known_to_keystone(browser: Browser, provider: OpenIdProvider) -> None:
    claims = browser.told(by_token("a"), **bearer(provider.token(iam_username="jane")))["claims"]
    assert {"HTTP_OIDC_ISS": provider.url, "OIDC-iam_username": "jane"}.items() <= claims.items()


def test_an_access_token_of_somebody_else_is_refused(browser: Browser, provider: OpenIdProvider) -> None:
    forged = OpenIdProvider(provider.url).token(iam_username="admin")
    old = provider.token(iam_username="jane", exp=1)
    for token in (forged, old, "none"):
        assert browser.visit(by_token("a"), headers=bearer(token))[0] == 401
    assert browser.visit(by_token("a"))[0] == 401


@pytest.mark.parametrize("header", ["OIDC-iss", "oidc-Iam_Username", "OIDC_iss"])
def test_claims_that_a_client_sends_itself_are_refused(browser: Browser, header: str) -> None:
    for path in ("/v3/auth/tokens", by_token("unknown"), "//v3/auth/tokens"):
        assert browser.visit(path, headers={header: "forged"})[0] == 403


def test_claims_that_a_client_adds_to_those_of_its_token_do_not_reach_keystone(
    browser: Browser, provider: OpenIdProvider
) -> None:
    forged = {"OIDC-email": "forged", "OIDC-iss": "forged"}
    told = browser.told(by_token("a"), **bearer(provider.token()), **forged)
    assert "forged" not in told["claims"].values()


@pytest.mark.parametrize(
    "choice", ["iss=http%3A%2F%2F{evil}", "disc_user={evil}", "state=1&iss=http%3A%2F%2F{evil}", "iss={ours}&iss=http://{evil}"]
)
def test_no_host_is_called_because_a_visitor_names_it(cache: str, choice: str) -> None:
    with openid_provider() as provider, openid_provider() as evil, keystone("oauth2", cache, provider) as browser:
        _, where, _ = browser.visit(by_web("a"))
        query = choice.format(evil=evil.url.partition("://")[2], ours=provider.url.replace(":", "%3A").replace("/", "%2F"))
        status, _, _ = browser.visit(f"{urlsplit(where).path}?{query}&{urlsplit(where).query.partition('&')[2]}")
        assert (status, evil.asked) == (403, [])


def test_each_provider_lets_its_own_users_in(cache: str) -> None:
    with openid_provider() as one, openid_provider() as two, keystone("oauth2", cache, one, two) as browser:
        for name, provider, other in (("a", one, two), ("b", two, one)):
            browser.cookies.clear()
            assert browser.told(log_in_as(browser, provider, by_web(name)))["claims"]["HTTP_OIDC_ISS"] == provider.url
            assert browser.visit(by_token(name), headers=bearer(provider.token()))[0] == 200
            assert browser.visit(by_token(name), headers=bearer(other.token()))[0] == 401


@pytest.mark.parametrize("auth_type", ["oauth20", "oauth2"])
def test_a_provider_whose_authority_is_known_is_believed(
    auth_type: str, cache: str, authority: Authority, certificate: tuple[Path, Path]
) -> None:
    with openid_provider(certificate) as provider, keystone(auth_type, cache, provider, authority=authority) as browser:
        assert browser.told(log_in_as(browser, provider, by_web("a")))["claims"]["HTTP_OIDC_ISS"] == provider.url


def test_a_provider_whose_authority_is_unknown_is_not_believed(cache: str, certificate: tuple[Path, Path]) -> None:
    with openid_provider(certificate) as provider, keystone("oauth20", cache, provider) as browser:
        assert sent_to(browser, by_web("a")) == "500"
        assert provider.asked == []


def test_a_provider_that_was_silent_when_keystone_started_is_asked_at_the_log_in(cache: str) -> None:
    with openid_provider() as provider, keystone("oauth2", cache, provider, forget=True) as browser:
        assert browser.told(log_in_as(browser, provider, by_web("a")))["claims"]["HTTP_OIDC_ISS"] == provider.url


@pytest.mark.parametrize("auth_type", ["oauth20", "oauth2"])
def test_people_log_in_while_the_cache_is_away(auth_type: str) -> None:
    require_apache()
    with openid_provider() as provider, keystone(auth_type, f"{LOOPBACK}:{free_port()}", provider, pods=2) as browser:
        assert browser.told(log_in_as(browser, provider, by_web("a")))["claims"]["HTTP_OIDC_ISS"] == provider.url
