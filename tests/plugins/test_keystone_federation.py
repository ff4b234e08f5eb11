"""What Apache, Keystone and the programs are told of log-in through OpenID Connect, and what of it is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from stackloom import Multi, SecretKey, StackloomError
from stackloom.app import Cloud
from stackloom_openstack.keystone import federation
from stackloom_openstack.keystone.apache import Server, Variable, directive
from stackloom_openstack.keystone.features import KeystoneFeatures
from stackloom_openstack.keystone.federation import Variables
from stackloom_openstack.keystone.openid import LogIn, log_in, problems

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext

SERVER = Server(name="keystone.example.org", listen="5000", workers=4)
REALM = "https://sso.example.org/auth/realms/iam"
KEYCLOAK = {"keycloak": {"enabled": True, "url": "https://sso.example.org"}}


def secret(name: str, key: str) -> dict[str, Any]:
    return {"value_from": {"secret_key_ref": {"name": name, "key": key}}}


def provider(issuer: str = "https://okta.example.org", **more: Any) -> dict[str, Any]:
    return {"issuer": issuer, "description": "Staff", **more}


def providers(auth_type: str = "oauth2", oidc: dict[str, Any] | None = None, **named: dict[str, Any]) -> dict[str, Any]:
    openid = {"enabled": True, "oidc_auth_type": auth_type, "oidc": oidc or {}, "providers": named}
    return {"federation": {"openid": openid}}


def chosen(features: dict[str, Any]) -> LogIn:
    found = log_in(KeystoneFeatures.model_validate(features), "example.org")
    assert found
    return found


def conf(features: dict[str, Any], variables: Variables | None = None) -> list[str]:
    text = federation.apache_conf(chosen(features), SERVER, ["memcached-0:11211", "memcached-1:11211"], variables or Variables())
    return [line.strip() for line in text.splitlines()]


def sections(features: dict[str, Any]) -> dict[str, dict[str, Any]]:
    context = SimpleNamespace(deployment=SimpleNamespace(spec=SimpleNamespace(public_domain_name="example.org")))
    return federation.sections(cast("ServiceContext", context), KeystoneFeatures.model_validate(features))


@pytest.mark.parametrize("features", [{}, {"keycloak": {"enabled": False, "url": "https://sso.example.org"}}])
def test_without_a_provider_keystone_takes_nobodys_claims(features: dict[str, Any]) -> None:
    assert log_in(KeystoneFeatures.model_validate(features), "example.org") is None
    assert sections(features) == {"auth": {"methods": ["password", "token", "oauth1", "application_credential"]}}


def test_keycloak_is_a_single_provider_that_is_known_by_its_realm() -> None:
    found = chosen(KEYCLOAK)
    assert {name: p.issuer for name, p in found.providers.items()} == {"keycloak": REALM}
    assert not found.oauth2
    lines = conf(KEYCLOAK)
    assert f"OIDCProviderMetadataURL {REALM}/.well-known/openid-configuration" in lines
    assert f"OIDCOAuthVerifyJwksUri {REALM}/protocol/openid-connect/certs" in lines


def test_another_realm_of_keycloak_follows_from_where_it_describes_itself() -> None:
    staff = "https://sso.example.org/realms/staff"
    oidc = {"OIDCProviderMetadataURL": f"{staff}/.well-known/openid-configuration"}
    found = chosen({"keycloak": {**KEYCLOAK["keycloak"], "oidc": oidc}})
    assert found.providers["keycloak"].issuer == staff
    assert found.directives["OIDCOAuthVerifyJwksUri"] == f"{staff}/protocol/openid-connect/certs"


def test_users_come_back_to_where_existing_clouds_with_keycloak_have_them_come_back_to() -> None:
    path = "v3/auth/OS-FEDERATION/identity_providers/keycloak/protocols/mapped/websso/"
    for features in (KEYCLOAK, providers(keycloak=provider(REALM), okta=provider())):
        assert chosen(features).redirect_uri == f"https://keystone.example.org/{path}"


def test_users_come_back_to_one_place_whatever_other_providers_there_are() -> None:
    one, two = providers(okta=provider()), providers(azure=provider("https://azure.example.org"), okta=provider())
    assert chosen(one).redirect_uri == chosen(two).redirect_uri
    assert f'<Location "{chosen(one).redirect_uri.removeprefix("https://keystone.example.org")}">' in conf(one)


def test_users_come_back_to_where_the_operator_says() -> None:
    uri = "https://keystone.example.org/v3/back"
    for features in (
        {"keycloak": {**KEYCLOAK["keycloak"], "oidc": {"OIDCRedirectURI": [uri]}}},
        providers("oauth20", {"OIDCRedirectURI": uri}, a=provider()),
    ):
        assert chosen(features).redirect_uri == uri
        assert {f"OIDCRedirectURI {uri}", '<Location "/v3/back">'} <= set(conf(features))


def test_the_directives_of_the_operator_are_laid_over_ours() -> None:
    lines = conf(
        providers(
            "oauth20",
            {"OIDCScope": "openid groups", "OIDCSessionInactivityTimeout": 60, "OIDCPassUserInfoAs": "json jwt"},
            a=provider(),
        )
    )
    assert {'OIDCScope "openid groups"', "OIDCSessionInactivityTimeout 60", "OIDCPassUserInfoAs json jwt"} <= set(lines)
    assert sum(line.startswith("OIDCScope") for line in lines) == 1


@pytest.mark.parametrize("features", [KEYCLOAK, providers("oauth20", okta=provider()), providers(okta=provider())])
def test_certificates_are_checked_unless_the_operator_says_otherwise(features: dict[str, Any]) -> None:
    lines = conf(features)
    assert {"OIDCSSLValidateServer On", "OIDCOAuthSSLValidateServer On"} <= set(lines)
    assert "verify=false" not in "".join(lines)


def test_a_provider_whose_certificate_is_not_checked_is_not_checked_for_access_tokens_either() -> None:
    lax = provider(metadata={"conf": {"ssl_validate_server": False}})
    assert {"OIDCSSLValidateServer Off", "OIDCOAuthSSLValidateServer Off"} <= set(conf(providers("oauth20", okta=lax)))


@pytest.mark.parametrize("auth_type", ["oauth20", "oauth2"])
def test_a_secret_reaches_apache_through_its_environment_and_stands_in_no_file(auth_type: str) -> None:
    client = {"client_id": "os", "client_secret": secret("okta", "secret")}
    features = providers(auth_type, {"OIDCCookieDomain": secret("okta", "domain")}, okta=provider(metadata={"client": client}))
    variables = Variables()
    lines = conf(features, variables)
    plan = federation.metadata_plan(chosen(features), SERVER, variables)
    assert 'OIDCCryptoPassphrase "${OIDC_CRYPTO_PASSPHRASE}"' in lines
    names = {key.key: name for name, key in variables.env.items()}
    assert f'OIDCCookieDomain "${{{names["domain"]}}}"' in lines
    assert (f'OIDCClientSecret "${{{names["secret"]}}}"' in lines) == (auth_type == "oauth20")
    assert plan["providers"][0]["client"] == {"client_id": "os", "client_secret": {"env": names["secret"]}}


def test_a_secret_that_is_referred_to_twice_is_one_variable() -> None:
    variables = Variables()
    conf(providers(oidc={"OIDCCookieDomain": secret("a", "b"), "OIDCCookiePath": secret("a", "b")}, okta=provider()), variables)
    assert variables.env == {"OIDC_SECRET_1": SecretKey(secret="a", key="b")}


def test_the_authority_of_the_only_provider_is_what_apache_trusts() -> None:
    assert "OIDCCABundlePath /etc/keystone/oidc-ca/okta.pem" in conf(
        providers("oauth20", okta=provider(oidc_ca=secret("a", "ca")))
    )


def test_the_authorities_of_several_providers_are_bundled_with_those_of_the_image() -> None:
    features = providers(okta=provider(oidc_ca=secret("a", "ca")), azure=provider("https://azure.example.org"))
    assert "OIDCCABundlePath /run/apache2/authorities.pem" in conf(features)
    plan = federation.metadata_plan(chosen(features), SERVER, Variables())
    assert plan["bundle"] == "/run/apache2/authorities.pem"
    assert [p.get("authority") for p in plan["providers"]] == [None, "/etc/keystone/oidc-ca/okta.pem"]


def test_access_tokens_of_a_single_provider_are_checked_as_it_describes_it() -> None:
    lines = conf(providers("oauth20", okta=provider()))
    assert "OIDCOAuthServerMetadataURL https://okta.example.org/.well-known/openid-configuration" in lines
    assert "OIDCOAuthClientID os" in lines


def test_access_tokens_are_checked_with_the_keys_that_the_operator_names() -> None:
    keys = provider(metadata={"conf": {"oauth_verify_jwks_uri": "https://okta.example.org/keys"}})
    lines = conf(providers("oauth20", okta=keys))
    assert "OIDCOAuthVerifyJwksUri https://okta.example.org/keys" in lines
    assert not any("OIDCOAuthServerMetadataURL" in line for line in lines)


def test_each_of_several_providers_has_paths_of_its_own() -> None:
    lines = conf(providers(okta=provider(), azure=provider("https://azure.example.org/v2/")))
    for name in ("okta", "azure"):
        assert f'<Location "/v3/auth/OS-FEDERATION/identity_providers/{name}/protocols/mapped/websso">' in lines
        assert f'<Location "/v3/OS-FEDERATION/identity_providers/{name}/protocols/mapped/auth">' in lines
    assert 'OAuth2TokenVerify "metadata" "https://azure.example.org/v2/.well-known/openid-configuration"' in lines
    assert any("websso/mapped/?iss=https%3A%2F%2Fazure.example.org%2Fv2%2F" in line for line in lines)


def test_what_the_operator_says_of_access_tokens_is_written_as_it_is() -> None:
    okta = provider(oauth2={"OAuth2TokenVerify": "jwks_uri https://okta.example.org/keys type=mtls"})
    lines = conf(providers(okta=okta))
    assert "OAuth2TokenVerify jwks_uri https://okta.example.org/keys type=mtls" in lines
    assert "OAuth2TargetPass prefix=OIDC-" in lines


def test_a_provider_that_is_off_is_nowhere() -> None:
    features = providers(okta=provider(), azure=provider("https://azure.example.org", enabled=False))
    assert "azure" not in "".join(conf(features))
    assert [p["name"] for p in federation.registration(chosen(features))["providers"]] == ["okta"]
    assert "azure" not in str(federation.metadata_plan(chosen(features), SERVER, Variables()))


def test_a_provider_is_registered_with_the_mapping_of_the_operator_or_the_usual_one() -> None:
    rule = {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-sub"}]}
    features = providers(okta=provider(mapping=[rule]), azure=provider("https://azure.example.org"))
    azure, okta = federation.registration(chosen(features))["providers"]
    assert okta == {
        "name": "okta",
        "remote_ids": ["https://okta.example.org"],
        "description": "Staff",
        "protocol": "mapped",
        "mapping": [rule],
    }
    assert [kind["type"] for kind in azure["mapping"][0]["remote"]] == ["OIDC-iam_username", "OIDC-email", "OIDC-iam_roles"]


def test_keystone_takes_claims_and_sends_people_back_to_the_dashboard() -> None:
    found = sections(KEYCLOAK)
    assert found["auth"]["methods"] == ["password", "token", "mapped", "application_credential"]
    assert found["federation"]["trusted_dashboard"] == Multi(("https://horizon.example.org/auth/websso/",))
    assert found["federation"]["remote_id_attribute"] == "HTTP_OIDC_ISS"


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("OIDCScope", "openid email", 'OIDCScope "openid email"'),
        ("OIDCScope", "'openid email'", "OIDCScope 'openid email'"),
        ("OIDCUnAuthAction", "410 all", "OIDCUnAuthAction 410 all"),
        ("OIDCClaimPrefix", 'a"b\\c', r'OIDCClaimPrefix "a\"b\\c"'),
        ("OIDCInfoHook", ["iat", "exp"], 'OIDCInfoHook "iat" "exp"'),
        ("OIDCSSLValidateServer", False, "OIDCSSLValidateServer Off"),
        ("OIDCIDTokenIatSlack", 20, "OIDCIDTokenIatSlack 20"),
        ("OIDCClientSecret", Variable("SECRET"), 'OIDCClientSecret "${SECRET}"'),
    ],
)
def test_a_directive_is_a_line(name: str, value: Any, line: str) -> None:
    assert directive(name, value) == line


def described(**metadata: Any) -> dict[str, Any]:
    return provider(metadata=metadata)


AT = "spec.features.keystone.federation.openid"


@pytest.mark.parametrize(
    ("features", "where"),
    [
        (providers(oidc={"OIDC Scope": "openid"}, a=provider()), [f"{AT}.oidc"]),
        (providers(oidc={"OIDCScope": "openid\nUser root"}, a=provider()), [f"{AT}.oidc.OIDCScope"]),
        (providers(oidc={"OIDCRedirectURI": secret("a", "b")}, a=provider()), [f"{AT}.oidc.OIDCRedirectURI"]),
        (providers(a=provider(oauth2={"OAuth2TokenVerify": "x\ny"})), [f"{AT}.providers.a.oauth2.OAuth2TokenVerify"]),
        (providers("oauth20", a=described(provider=secret("a", "b"))), [f"{AT}.providers.a.metadata.provider"]),
        (providers("oauth20", a=described(conf={"request_object": "x"})), [f"{AT}.providers.a.metadata.conf.request_object"]),
        (providers("oauth2", a=described(provider=secret("a", "b"), conf={"request_object": "x"})), []),
        (KEYCLOAK, []),
    ],
)
def test_what_apache_cannot_do_is_a_problem(features: dict[str, Any], where: list[str]) -> None:
    assert [problem.path for problem in problems(KeystoneFeatures.model_validate(features))] == where


# -- In the cluster ----------------------------------------------------------------------------------------------------


def manifests(workplace: Path, features: dict[str, Any]) -> dict[str, Any]:
    """Keystone's objects by kind and name, the hashes of Jobs left out. All checks have passed."""
    deployment = yaml.safe_load((workplace / "deployment.yaml").read_text())
    deployment["spec"]["features"]["keystone"] = features
    image = {"images": {"keystone": "registry.example.org/keystone-oidc:2026.1"}}
    deployment["spec"]["services"] = {"identity": {"keystone": {"values": image}}}
    (workplace / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    cloud = Cloud("deployment.yaml")
    cloud.synth()
    bodies = [o.body for o in cloud.output() if o.component == "keystone"]
    return {f"{b['kind']}/{b['metadata']['labels'].get('stackloom.io/job', b['metadata']['name'])}": b for b in bodies}


def test_the_api_runs_under_apache_after_its_providers_are_described(workplace: Path) -> None:
    okta = provider(
        "https://okta.example.org:8443", metadata={"client": {"client_id": "os", "client_secret": secret("sso", "okta")}}
    )
    made = manifests(workplace, providers(okta=okta))
    pod = made["Deployment/keystone-api"]["spec"]["template"]["spec"]
    api, _ = pod["containers"]
    step = next(c for c in pod["initContainers"] if c["name"] == "step-1")
    assert api["command"] == ["apache2", "-DFOREGROUND", "-f", "/etc/keystone/apache.conf"]
    assert step["command"][1:] == ["/opt/stackloom/programs/oidc_metadata.py", "/etc/keystone/oidc-metadata.json"]
    for container in (api, step):
        refs = {e["name"]: e["valueFrom"]["secretKeyRef"] for e in container["env"] if "secretKeyRef" in e.get("valueFrom", {})}
        assert refs["OIDC_CRYPTO_PASSPHRASE"] == {"name": "keystone-oidc", "key": "passphrase"}
        assert refs["OIDC_SECRET_1"] == {"name": "sso", "key": "okta"}
        assert any(m["mountPath"] == "/run/apache2" and not m.get("readOnly") for m in container["volumeMounts"])


def test_the_network_lets_keystone_call_its_providers_and_each_is_registered(workplace: Path) -> None:
    made = manifests(
        workplace, providers(okta=provider("https://okta.example.org:8443"), local=provider("http://sso.example.org"))
    )
    ports = [{port["port"] for port in rule["ports"]} for rule in made["NetworkPolicy/keystone"]["spec"]["egress"]]
    assert {80, 443, 8443} in ports
    job = made["Job/keystone-federation"]["spec"]["template"]
    assert job["metadata"]["labels"]["stackloom.io/task"] == "catalogue"
    assert job["spec"]["containers"][0]["command"][1:] == ["/opt/stackloom/programs/federation.py", federation.REGISTRATION]


def test_keycloak_is_asked_by_apache_alone(workplace: Path) -> None:
    made = manifests(workplace, KEYCLOAK)
    steps = made["Deployment/keystone-api"]["spec"]["template"]["spec"]["initContainers"]
    assert [step["name"] for step in steps] == ["gate"]


@pytest.mark.parametrize("features", [KEYCLOAK, providers(okta=provider())])
def test_the_published_image_is_refused_because_it_knows_no_openid_connect(workplace: Path, features: dict[str, Any]) -> None:
    deployment = yaml.safe_load((workplace / "deployment.yaml").read_text())
    deployment["spec"]["features"]["keystone"] = features
    (workplace / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    with pytest.raises(StackloomError) as refused:
        Cloud("deployment.yaml")
    (problem,) = refused.value.problems
    assert problem.what.startswith("log-in through OpenID Connect needs an image of Keystone with mod_auth_openidc")
