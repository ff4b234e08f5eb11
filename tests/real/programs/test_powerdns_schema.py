"""PowerDNS's tables, made with the schema that its package has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.real.mariadb import DatabaseServer
from tests.real.parts import absent
from tests.real.programs.running import Programs

pytestmark = pytest.mark.real

SCHEMA = Path("/usr/share/pdns-backend-mysql/schema/schema.mysql.sql")


def make(server: DatabaseServer, folder: Path, name: str, schema: Path = SCHEMA) -> subprocess.CompletedProcess[str]:
    """Make the tables in a database."""
    if not schema.exists():
        absent("the schema of PowerDNS is not installed (Debian: apt-get install pdns-backend-mysql)")
    server.query(f"CREATE DATABASE IF NOT EXISTS {name}")
    env = {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(server.port),
        "DB_NAME": name,
        "DB_USER": "root",
        "DB_PASSWORD": server.password,
    }
    return Programs(folder, "stackloom_openstack.designate.programs").run("powerdns_schema", str(schema), env=env)


def test_all_tables_are_made_once(mariadb: DatabaseServer, tmp_path: Path) -> None:
    assert make(mariadb, tmp_path, "names").stdout == "made 17 tables and indexes in names\n"
    tables = {row[0] for row in mariadb.query("SHOW TABLES", database="names")}
    assert tables == {"comments", "cryptokeys", "domainmetadata", "domains", "records", "supermasters", "tsigkeys"}
    assert make(mariadb, tmp_path, "names").stdout == "all tables are in names\n"


def test_what_was_made_by_half_is_completed(mariadb: DatabaseServer, tmp_path: Path) -> None:
    make(mariadb, tmp_path, "halves")
    mariadb.query("DROP TABLE tsigkeys", database="halves")
    mariadb.query("DROP INDEX domain_id ON records", database="halves")
    result = make(mariadb, tmp_path, "halves")
    assert (result.returncode, result.stdout) == (0, "made 3 tables and indexes in halves\n")


def test_an_older_schema_is_left_to_its_operator(mariadb: DatabaseServer, tmp_path: Path) -> None:
    make(mariadb, tmp_path, "older")
    mariadb.query("ALTER TABLE domains DROP COLUMN options, DROP COLUMN catalog", database="older")
    result = make(mariadb, tmp_path, "older")
    assert result.returncode == 1
    assert "the table domains has no catalog and no options: it is of an older release of PowerDNS" in result.stdout


def test_who_may_not_make_tables_is_told_so_without_the_password(mariadb: DatabaseServer, tmp_path: Path) -> None:
    mariadb.query("CREATE DATABASE IF NOT EXISTS shut")
    mariadb.query("CREATE USER IF NOT EXISTS onlooker@'%' IDENTIFIED BY 's3cret'")
    mariadb.query("GRANT SELECT ON shut.* TO onlooker@'%'")
    onlooker = {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(mariadb.port),
        "DB_NAME": "shut",
        "DB_USER": "onlooker",
        "DB_PASSWORD": "s3cret",
    }
    programs = Programs(tmp_path, "stackloom_openstack.designate.programs")
    result = programs.run("powerdns_schema", str(SCHEMA), env=onlooker)
    assert (result.returncode, "command denied" in result.stdout, "s3cret" in result.stdout) == (1, True, False)
