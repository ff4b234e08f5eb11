"""Names that follow from a service's record: the Secrets that the core makes for it."""

from __future__ import annotations

from stackloom.model.service import Database, Service


def database_secret(service: Service, database: Database) -> str:
    """The Secret with the user and the password of a database."""
    part = "" if database.group == "database" else f"-{database.name.replace('_', '-')}"
    return f"{service.name}{part}-database"


def user_secret(service: Service) -> str:
    """The Secret with the account of a service in Keystone."""
    return f"{service.name}-service-user"


# The option that each kind of bus sets, as oslo.config reads it from the environment.
BUS_OPTIONS = {"messaging": "OS_DEFAULT__TRANSPORT_URL", "notifications": "OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL"}


def bus_secret(service: Service, requirement: str) -> str:
    """The Secret with the service's user and password on a bus (``messaging`` or ``notifications``)."""
    return f"{service.name}-{requirement}"
