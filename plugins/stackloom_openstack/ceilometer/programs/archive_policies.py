"""Make archive policies in Gnocchi: ``archive_policies.py FILE``.

Reads the path of a JSON file,

    {"archive_policies": [{"name": "low", "back_window": 0, "aggregation_methods": ["mean"],
                           "definition": [{"granularity": 60, "timespan": 7200}]}]}

and makes each policy that is absent. One that is there stays as it is: an administrator may have changed how long it keeps
what is measured, and how finely is decided for ever. OS_* is an administrator, METRIC_URL Gnocchi's API.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from identity import PATIENCE_SECONDS, logged_in
from keystoneauth1 import exceptions
from keystoneauth1.session import Session
from program import Failure, environment, patiently, read_json, run, say


class Away(Failure):
    """Gnocchi does not answer, or cannot answer now."""


def settle(session: Session, url: str, policy: dict[str, Any]) -> None:
    """Make the policy if it is absent."""
    try:
        session.request(f"{url}/v1/archive_policy", "POST", json=policy)
    except exceptions.Conflict:
        say(f"archive policy {policy['name']}: is there")
    except exceptions.HttpError as error:
        text = f"archive policy {policy['name']}: {error.message} ({error.http_status})"
        raise (Away if error.http_status in (502, 503, 504) else Failure)(text) from error
    except exceptions.ClientException as error:
        raise Away(f"Gnocchi at {url}: {error}") from error
    else:
        say(f"created archive policy {policy['name']}")


def main(arguments: list[str]) -> None:
    """Settle the policies that the file of the first argument lists."""
    if len(arguments) != 1:
        raise Failure("usage: archive_policies.py FILE")
    policies, (url,) = read_json(arguments[0])["archive_policies"], environment("METRIC_URL")
    session = logged_in()
    for policy in policies:
        patiently(partial(settle, session, url, policy), Away, seconds=PATIENCE_SECONDS)


if __name__ == "__main__":
    run(main)
