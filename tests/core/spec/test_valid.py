"""Good deployments that a stricter reader might refuse."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.core.spec.test_loader import loaded

REF = {"value_from": {"secret_key_ref": {"name": "tls", "key": "tls.key"}}}
S3 = {
    "type": "s3",
    "provider": "AWS",
    "access_key_id": "AK",
    "secret_access_key": REF,
    "region": "eu-1",
    "force_path_style": True,
}


@pytest.mark.parametrize(
    "spec",
    [
        {"draft": False, "migration": {}},
        {"region_name": "2024"},
        {"public_domain_name": "it.just.works"},
        {"persistent_volume_storage_class": None},
        {
            "features": {
                "database": {
                    "cleanup": {
                        "keystone": {"schedule": "0 0 * * mon,fri"},
                        "glance": {"batch": -1},
                        "horizon": {"enabled": False},
                    }
                }
            }
        },
        {"features": {"database": {"backup": {"enabled": True, "schedule_time": "@daily", "backup_type": "full"}}}},
        {
            "features": {
                "database": {"backup": {"enabled": True, "backend": "pv_nfs", "pv_nfs": {"server": "fd00::5", "path": "/a"}}}
            }
        },
        {
            "features": {
                "database": {
                    "backup": {"enabled": True, "sync_remote": {"enabled": True, "remotes": {"main": {"path": "b", "conf": S3}}}}
                }
            }
        },
        {"features": {"database": {"backup": {"enabled": False, "sync_remote": {"enabled": False}}}}},
        {"features": {"messaging": {"notifications": {"external": {"enabled": True, "topics": ["external-consumer-A"]}}}}},
        {"features": {"ssl": {"public_endpoints": {"ca_cert": REF, "api_cert": REF, "api_key": REF}}}},
        {"features": {"policies": {"strict_admin": {"enabled": True}, "nova": {"os_compute_api:servers:create": ""}}}},
        {"features": {"logging": {"cadf": {"enabled": True, "driver": "log"}, "heat": {"level": "ERROR"}}}},
        {"timeouts": {"application_readiness": {"nova": {"timeout": 1800, "delay": 15}}}},
        {"nodes": {"rack::": {}, "topology.kubernetes.io/zone::a": {}, "node.example.org/a_B.c::X-1_y.Z": {}}},
        {"services": {"identity": {"keystone": {"values": {"resources": {"api": {"limits": {"memory": "1.5Gi", "cpu": 2}}}}}}}},
        {
            "services": {
                "identity": {"keystone": {"values": {"images": {"keystone": "localhost:5000/a/keystone@sha256:" + "0" * 64}}}}
            }
        },
        {"services": {"image": {"glance": {"values": {"conf": {"glance-api": {"DEFAULT": {"a": ["x", 1, 2.5, False]}}}}}}}},
        {
            "credentials": {
                "provider": "external-secrets",
                "external_secrets": {"store": {"name": "vault"}, "prefix": "clouds/one/"},
            }
        },
        {"argocd": {"repository": "git@git.example.org:cloud.git", "path": "clouds/one/dist", "profile": "single"}},
        {"argocd": {"repository": "https://git.example.org/cloud.git"}},
        {
            "images": {
                "registry": "registry.example.org:5000/mirror",
                "digests": {"quay.io/a/keystone:2026.1": "sha256:" + "0" * 64},
            }
        },
    ],
    ids=str,
)
def test_this_is_accepted(spec: dict[str, Any]) -> None:
    assert loaded(spec)


def certificate() -> str:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "*.cloud.example.org")]),
    )
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = builder.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_a_certificate_may_stand_in_the_file_and_a_chain_of_them_too() -> None:
    one = certificate()
    ssl = {"public_endpoints": {"ca_cert": one, "api_cert": f"# ours\n{one}".removeprefix("# ours\n") + one, "api_key": REF}}
    assert loaded({"features": {"ssl": ssl}}).spec.features.ssl.public_endpoints
