"""Names that follow from a service's record: the Secrets that the core makes for it, and the accounts in them.

Passwords have generations. Each is a Secret and an account of its own, so that those of before stay valid while Pods roll.
"""

from __future__ import annotations

from collections.abc import Sequence

from stackloom.model.service import Database, Service, ServiceUser

# The option that each kind of bus sets, as oslo.config reads it from the environment.
BUS_OPTIONS = {"messaging": "OS_DEFAULT__TRANSPORT_URL", "notifications": "OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL"}

# The one part of the notifications' bus where all who send and all who read meet.
NOTIFICATIONS_VHOST = "notifications"

# The key with which all services encrypt the tokens that they keep in the cache.
TOKEN_KEY_SECRET = "memcached-token-key"


def of_generation(name: str, generation: int) -> str:
    """The name of an account, or of what goes with it, in a generation: the first has no number."""
    return f"{name}-{generation}" if generation > 1 else name


def valid_generations(current: int) -> Sequence[int]:
    """The generations whose accounts may log in: the current one, and the one before, with which Pods run until they rolled."""
    return range(max(1, current - 1), current + 1)


def retired_generations(current: int) -> Sequence[int]:
    """The generations whose accounts are removed."""
    return range(1, current - 1)


def has_passwords(service: Service) -> bool:
    """Whether the service logs in anywhere, so that its passwords can be rotated."""
    return bool(service.databases or service.accounts or service.needs & BUS_OPTIONS.keys())


def database_secret(service: Service, database: Database, generation: int) -> str:
    """The Secret with the user and the password of a database."""
    database = next((d for d in service.databases if d.name == database.user_of), database)
    part = "" if database.group == "database" else f"-{database.name.replace('_', '-')}"
    return of_generation(f"{service.name}{part}-database", generation)


def reader_secret(service: Service, database: Database, generation: int) -> str:
    """The Secret with the user who only reads a database, and the password."""
    return of_generation(f"{service.name}-{database.reader.replace('_', '-')}-database", generation)


def user_secret(service: Service, generation: int) -> str:
    """The Secret with the account of a service in Keystone."""
    return of_generation(f"{service.name}-service-user", generation)


def account_name(user: ServiceUser, generation: int) -> str:
    """The name of an account in Keystone in a generation."""
    return user.name if user.lasting else of_generation(user.name, generation)


def account_secret(service: Service, user: ServiceUser, generation: int) -> str:
    """The Secret with one of the service's accounts in Keystone."""
    return user_secret(service, generation) if user == service.user else of_generation(f"{user.name}-user", generation)


def bus_secret(service: Service, requirement: str, generation: int) -> str:
    """The Secret with the service's user and password on a bus (``messaging`` or ``notifications``)."""
    return of_generation(f"{service.name}-{requirement}", generation)
