from __future__ import annotations

from typing import Any

import pytest

from stackloom.checks import readers
from tests.core.checks.cloud import FIRST, IMAGES, changed, said

PURGE = "keystone/CronJob/keystone-purge"
DATABASE = {"secretRef": {"name": "keystone-database"}}
FERNET = {"secretRef": {"name": "keystone-fernet-keys"}}


def test_a_component_that_is_no_reader_may_not_refer_to_the_credential() -> None:
    assert said(readers.check, changed(IMAGES, *FIRST, "envFrom", to=[DATABASE, DATABASE])) == [
        (
            f"{IMAGES}: spec.template.spec.containers[0].envFrom[0].secretRef: 'glance' is no reader of the credential "
            "'keystone-database'. Readers are keystone, task:purge: add the component 'glance', or do without the secret"
        )
    ]


@pytest.mark.parametrize(("secret", "allowed"), [(DATABASE, True), (FERNET, False)])
def test_a_job_of_another_component_is_a_reader_by_its_task(secret: dict[str, Any], allowed: bool) -> None:
    output = changed(PURGE, "spec", "jobTemplate", *FIRST, "envFrom", to=[secret])
    output = [type(o)("heat", o.body, o.source) if o.path == PURGE else o for o in output]
    expected = (
        "heat/CronJob/keystone-purge: spec.jobTemplate.spec.template.spec.containers[0].envFrom[0].secretRef: 'heat' is no "
        "reader of the credential 'keystone-fernet-keys'. Readers are keystone: add the task 'purge', or do without the secret"
    )
    assert said(readers.check, output) == ([] if allowed else [expected])


def test_the_label_of_a_task_gives_nothing_to_what_is_no_job() -> None:
    output = changed(IMAGES, "metadata", "labels", "stackloom.io/task", to="purge")
    (message,) = said(readers.check, changed(IMAGES, *FIRST, "envFrom", to=[DATABASE], output=output))
    assert "'glance' is no reader of the credential 'keystone-database'" in message


def test_secrets_that_are_no_credentials_have_no_readers() -> None:
    assert said(readers.check, changed(IMAGES, *FIRST, "envFrom", to=[{"secretRef": {"name": "ingress-tls"}}])) == []
