"""Work that is done once, or by the clock: migrations, registrations, rotations, clean-ups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from stackloom.constructs.part import Files, Part
from stackloom.constructs.running import Running, container_of, pod_of
from stackloom.manifests.gate import Gate
from stackloom.manifests.pod import Resources
from stackloom.manifests.workloads import cron_job, job
from stackloom.model.credential import SecretKey
from stackloom.model.names import database_secret, of_generation, retired_generations
from stackloom.model.service import Database

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext


class Task(Part):
    """A Job named after its content, so that any change makes another one; with a ``schedule``, a CronJob.

    ``kind`` is the label ``stackloom.io/task`` by which a credential may admit it (the task's name, unless given). A run has
    failed after ``deadline_seconds``, its waiting included. ``once`` is for work whose failure is its result: it is not tried
    again, unless its node was lost or drained meanwhile. The rest is as in :class:`Running`.
    """

    def __init__(
        self,
        ctx: ServiceContext,
        task: str,
        *,
        command: Sequence[str],
        schedule: str = "",
        suspend: bool = False,
        kind: str = "",
        deadline_seconds: int = 3600,
        once: bool = False,
        **running: Unpack[Running],
    ) -> None:
        super().__init__(ctx)
        who = ctx.identity(f"{ctx.name}-{task}", task, {"stackloom.io/task": kind or task})
        gate = ctx.gate(running.get("needs"), running.get("after", ()))
        usual = Resources(memory="256Mi", memory_limit="1Gi")
        container = container_of(ctx, who.name, task, command, running, env=ctx.service_env(), usual=usual)
        pod = replace(
            pod_of(ctx, container, running, gate=gate),
            restart_policy="Never" if once else "OnFailure",
            grace_seconds=running.get("grace_seconds", 30),
        )
        if schedule:
            self.put(cron_job(who, pod, schedule=schedule, suspend=suspend, deadline_seconds=deadline_seconds), gate=gate)
        else:
            self.put(job(who, pod, deadline_seconds=deadline_seconds), gate=gate)
            self.awaited = Gate(jobs=(who.name,))


def create_database(ctx: ServiceContext, database: Database) -> Task:
    """Make a database, the user that owns it, and who reads it, in the MariaDB cluster."""
    secret = database_secret(ctx.service, database, ctx.generation)
    users = [database.owner, *([database.reader] if database.reader else [])]
    retired = [of_generation(user, generation) for generation in retired_generations(ctx.generation) for user in users]
    reader: dict[str, SecretKey] = {}
    if database.reader:
        login = ctx.database_login(database.name, reads=True)
        reader = {"DB_READER_USER": login.username, "DB_READER_PASSWORD": login.password}
    return Task(
        ctx,
        of_generation(f"create-{database.name.replace('_', '-')}", ctx.generation),
        image="toolbox",
        kind="database",
        command=["python3", "/opt/stackloom/programs/database.py"],
        config=[ctx.program("database.py")],
        needs=["database"],
        credentials=False,
        env={
            "DB_HOST": ctx.host("mariadb"),
            "DB_PORT": "3306",
            "DB_NAME": database.name,
            "DB_ADMIN_USER": SecretKey(secret="mariadb-admin", key="username"),
            "DB_ADMIN_PASSWORD": SecretKey(secret="mariadb-admin", key="password"),
            "DB_USER": SecretKey(secret=secret, key="username"),
            "DB_PASSWORD": SecretKey(secret=secret, key="password"),
            **reader,
            **({"DB_RETIRED_USERS": ",".join(retired)} if retired else {}),
        },
    )


def migrate_database(ctx: ServiceContext, *steps: Sequence[str], config: Files, name: str = "db-sync", image: str = "") -> Task:
    """Make the service's databases, then bring their schemas to this release with the commands ``steps``."""
    created = [create_database(ctx, database) for database in ctx.service.databases]
    *before, last = steps
    return Task(ctx, name, command=last, before=before, config=config, image=image, needs=["database"], after=created)


def register_in_catalogue(ctx: ServiceContext) -> Task:
    """Enter the service, its endpoints, its accounts and its roles in Keystone, as the cloud's admin."""
    services = [
        {
            "type": e.type,
            "name": ctx.name,
            "endpoints": {
                "internal": ctx.url(ctx.service.type, name=e.name),
                "admin": ctx.url(ctx.service.type, name=e.name),
                "public": ctx.url(ctx.service.type, name=e.name, public=True),
            },
        }
        for e in ctx.service.endpoints
        if e.type
    ]
    users, retired, passwords = [], [], {}
    for user in ctx.service.accounts:
        variable = "SERVICE_PASSWORD" if user == ctx.service.user else f"{user.name}_PASSWORD".upper().replace("-", "_")
        passwords[variable] = ctx.login(user.name).password
        users.append(
            {
                "name": ctx.login(user.name).username,
                "password_env": variable,
                **({"project": user.project} if user.project else {}),
                "domain": user.domain,
                "roles": list(user.roles),
            }
        )
        if not user.lasting:
            before = retired_generations(ctx.generation)
            retired += [{"name": of_generation(user.name, g), "domain": user.domain} for g in before]
    wanted = {
        "region": ctx.deployment.spec.region_name,
        "services": services,
        **({"roles": sorted(ctx.service.roles)} if ctx.service.roles else {}),
        "users": users,
        **({"retired_users": retired} if retired else {}),
    }
    path = "/etc/stackloom/catalogue.json"
    return Task(
        ctx,
        of_generation("catalogue", ctx.generation),
        kind="catalogue",
        image="toolbox",
        command=["python3", "/opt/stackloom/programs/catalogue.py", path],
        config=[ctx.program("catalogue.py"), ctx.file(path, json.dumps(wanted, indent=2) + "\n")],
        needs=["identity"],
        credentials=False,
        env={
            **ctx.admin_env(),
            **passwords,
        },
    )


def clean_database(ctx: ServiceContext, *steps: Sequence[str], config: Files, image: str = "") -> Task | None:
    """Remove deleted and expired rows by the clock, as ``features.database.cleanup.<service>`` says; None where it is off."""
    chosen = ctx.deployment.cleanup_of(ctx.service)
    if chosen is None or not chosen.enabled or not chosen.schedule:
        return None
    *before, last = steps
    return Task(
        ctx, "db-purge", schedule=chosen.schedule, command=last, before=before, config=config, image=image, needs=["database"]
    )
