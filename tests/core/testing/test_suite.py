"""The contract holds a broken service to account: a pytest of its own runs it on a plugin that is installed for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.distributions import Distributions

pytest_plugins = ["pytester"]

PLUGIN = """
@hookimpl
def stackloom_services():
    yield Service(
        name="vitrage",
        type="root-cause",
        build=build,
        requires=frozenset({"identity"}),
        endpoints=(Endpoint(service="vitrage-api", port=8999, public="vitrage"),),
        images={"vitrage": Image("registry.example.org/vitrage", "1")},
    )


def build(ctx):
    ctx.api(command=["vitrage-api"], config=[])
"""
TEST = """
from stackloom.testing.suite import ServiceContract

class TestVitrage(ServiceContract):
    service = "vitrage"
"""


FAULTS = """
    ctx.worker(ctx.deployment.spec.size, command=["x"], probes=Probes(command=("true",)))
    deployment = ctx.component.manifests[0].body["spec"]
    deployment["revisionHistoryLimit"] = random.randrange(99999)
    deployment["template"]["spec"]["containers"][0]["image"] = "registry.example.org/escaped:1"
"""

Contract = Callable[..., set[str]]


@pytest.fixture
def contract(pytester: pytest.Pytester, distributions: Distributions) -> Contract:
    """Run the contract of a plugin with this code, or those of its tests that ``only`` names; the tests that fail."""

    def run(code: str, test: str = TEST, only: str = "") -> set[str]:
        distributions.add(code, plugin="vitrage", name="stackloom-vitrage")
        pytester.makepyfile(test_vitrage=test)
        done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", "-rfE", "-k", only)
        assert {"passed", "failed", "errors"} & done.parseoutcomes().keys(), done.stdout.str()
        lines = [line.split(" - ")[0] for line in done.outlines if line.startswith(("FAILED", "ERROR"))]
        return {line.split("::")[-1].split("[")[0] for line in lines}

    return run


def test_a_good_service_keeps_it(contract: Contract):
    assert contract(PLUGIN) == set()


def test_each_fault_fails_the_test_that_is_named_after_it(contract: Contract):
    assert contract(f"import random\n{PLUGIN}{FAULTS}", f"{TEST}\n    def test_no_secret_is_written(self):\n        pass\n") == {
        "test_every_image_can_be_replaced_by_its_role",
        "test_every_image_comes_from_the_registry_that_the_operator_names",
        "test_names_do_not_depend_on_the_size",
        "test_nothing_of_the_contract_is_overridden",
        "test_two_syntheses_give_the_same_bytes",
    }


def test_what_the_checks_refuse_fails_everything(contract: Contract):
    broken = PLUGIN + '\n    ctx.component.manifests[0].body["spec"]["replica"] = 3'
    assert contract(broken, only="secret or labels or probed or says") == {
        "test_every_object_says_what_it_belongs_to",
        "test_everything_that_keeps_running_is_probed",
        "test_no_secret_is_written",
    }


def test_a_service_that_nobody_offers_is_found(contract: Contract):
    misspelt = TEST.replace('service = "vitrage"', 'service = "vitraj"')
    assert contract(PLUGIN, misspelt, only="has_objects") == {"test_it_has_objects_in_a_component_of_its_name"}
