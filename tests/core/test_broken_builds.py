"""Plugins that load well and fail when the cloud is made: each gives one message that names it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from stackloom import StackloomError
from stackloom.app import Cloud
from tests.conftest import SMALLEST
from tests.distributions import Distributions

FAULT = "This is a fault of the plugin: upgrade it, or report it to its authors"
BROKEN = "plugin broken (stackloom-broken 0.3): "
BUILDING = "while building 'zun', at stackloom_broken.py:5 in build"
ASKS = "the service 'zun' asks for 'image' without declaring that it needs it"
META = "META = dict(apiVersion='v1', kind='ConfigMap', metadata={'name': 'x', 'namespace': 'openstack'})\n"
PROBES = "probes=Probes(command=('true',))"


def zun(build: str = "pass", *, name: str = "zun", service_type: str = "container", more: str = "") -> str:
    """The code of a plugin with one service; ``build`` begins in line 5 of its module."""
    body = textwrap.indent(textwrap.dedent(build).strip(), "    ")
    return f"""
def build(ctx):
    ctx.name
{body}

@hookimpl
def stackloom_services():
    yield Service(name={name!r}, type={service_type!r}, build=build, {more})
"""


def made(workplace: Path, *types: str) -> Cloud:
    """The cloud with identity and these services."""
    (workplace / "deployment.yaml").write_text(SMALLEST.replace("[identity]", f"[identity, {', '.join(types)}]"))
    return Cloud("deployment.yaml")


def problems(workplace: Path, *types: str) -> list[str]:
    """What is wrong with the cloud with identity and these services."""
    with pytest.raises(StackloomError) as error:
        made(workplace, *types).synth()
    assert not (workplace / "dist").exists()
    return [str(problem) for problem in error.value.problems]


BUILDS = {
    "an exception": (
        "1 / 0",
        f"ZeroDivisionError {BUILDING}: division by zero. {FAULT}",
    ),
    "an exit": ("raise SystemExit", f"SystemExit {BUILDING}. {FAULT}"),
    "a word that is not in the vocabulary": (
        "ctx.wroker('x', command=['x'])",
        f"AttributeError {BUILDING}: 'ServiceContext' object has no attribute 'wroker'. {FAULT}",
    ),
    "a dependency that is not declared": (
        "ctx.url('image')",
        f"{ASKS}. Add 'image' to `requires` (it waits for it) or to `uses` of the Service",
    ),
    "an image that is not declared": (
        "ctx.image('zun')",
        "the service 'zun' has no image for the role 'zun'. Known: python, tls-proxy, toolbox",
    ),
    "a file that is not declared": (
        "ctx.oslo_config('zun.conf', {})",
        "the service 'zun' makes the file zun.conf without declaring it. Add 'zun' to `conf` of the Service",
    ),
    "an endpoint that is not declared": ("ctx.api(config=[], wsgi='zun:app')", "the service 'zun' has no endpoint 'api'"),
    "two files of one name": (
        "ctx.file('/etc/a/x', '1')\nctx.file('/etc/b/x', '2')",
        "two files of the service 'zun' are called 'x'. Give one of them another `key`",
    ),
    "one role twice": (
        f"for _ in range(2): ctx.worker('x', image='toolbox', command=['sleep'], {PROBES})",
        f"RuntimeError {BUILDING}: There is already a Construct with name 'Deployment.zun-x' in Chart [zun]. {FAULT}",
    ),
    "a misspelt field of Kubernetes": (
        "ctx.component.add(dict(META, dat={}))",
        "zun/ConfigMap/x: dat: there is no such field. Did you mean 'data'?",
    ),
    "a construct of cdk8s without the namespace": (
        "import cdk8s\ncdk8s.ApiObject(ctx.component, 'x', api_version='v1', kind='ConfigMap')",
        "zun/ConfigMap/zun-x: metadata.namespace: is missing. Set it to 'openstack'",
    ),
}


@pytest.mark.parametrize(("build", "message"), BUILDS.values(), ids=BUILDS.keys())
def test_a_plugin_that_fails_in_its_build_gives_one_message(
    build: str, message: str, workplace: Path, distributions: Distributions
) -> None:
    distributions.add(zun(build) + META)
    assert problems(workplace, "container") == [BROKEN + message]


def test_all_plugins_that_fail_in_their_build_are_reported_together(workplace: Path, distributions: Distributions) -> None:
    distributions.add(zun("1 / 0"), plugin="b", name="stackloom-b")
    distributions.add(zun("1 / 0", name="magnum", service_type="coe"), plugin="a", name="stackloom-a")
    assert [message.partition(":")[0] for message in problems(workplace, "container", "coe")] == [
        "plugin a (stackloom-a 0.3)",
        "plugin b (stackloom-b 0.3)",
    ]


def test_a_rule_that_fails_names_its_plugin(workplace: Path, distributions: Distributions) -> None:
    code = "class Features(SpecModel):\n    'x'\n\ndef rules(deployment):\n    yield 1 / 0\n" + zun(
        more="features=Features, rules=rules"
    )
    distributions.add(code, preamble="from stackloom import *; from stackloom.fields import SpecModel\n\n")
    what = "ZeroDivisionError in its rules, at stackloom_broken.py:7 in rules: division by zero"
    assert problems(workplace, "container") == [f"{BROKEN}{what}. {FAULT}"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            "yield Problem('the Ingress has no owner', 'Add a label', path=output[0].path)",
            "base/ConfigMap/stackloom-programs: the Ingress has no owner. Add a label",
        ),
        ("yield 'the Ingress has no owner'", "stackloom_validate yielded a str, not a Problem. Yield stackloom.Problem records"),
        (
            "1 / 0",
            f"ZeroDivisionError in stackloom_validate, at stackloom_broken.py:5 in stackloom_validate: division by zero. {FAULT}",
        ),
    ],
)
def test_a_rule_about_the_output_names_its_plugin(
    answer: str, message: str, workplace: Path, distributions: Distributions
) -> None:
    distributions.add(f"@hookimpl\ndef stackloom_validate(output):\n    {answer}")
    assert problems(workplace) == [BROKEN + message]


def test_a_circle_between_two_plugins_names_both(workplace: Path, distributions: Distributions) -> None:
    distributions.add(zun(more="requires=frozenset({'coe'})"), plugin="a", name="stackloom-a")
    code = zun(name="magnum", service_type="coe", more="requires=frozenset({'container'})")
    distributions.add(code, plugin="b", name="stackloom-b", version="2.1")
    (message,) = problems(workplace, "container", "coe")
    who, what, hint = (
        "plugin b (stackloom-b 2.1), plugin a (stackloom-a 0.3)",
        "magnum -> zun -> magnum",
        "One of them can name another",
    )
    assert message.startswith(f"{who}: services require each other in a circle: {what}. {hint}")


def test_one_service_in_two_distributions_names_both(workplace: Path, distributions: Distributions) -> None:
    distributions.add(zun(), plugin="a", name="stackloom-a")
    distributions.add(zun(), plugin="b", name="stackloom-b")
    hint = "Rename one of them, or leave it out with spec.plugins.disabled"
    assert problems(workplace, "container") == [
        f"plugin b (stackloom-b 0.3): the service 'zun' is added by plugin a (stackloom-a 0.3) already. {hint}"
    ]


def test_a_service_may_not_have_the_name_of_a_part_of_the_core(workplace: Path, distributions: Distributions) -> None:
    distributions.add(zun(name="credentials"))
    assert problems(workplace, "container") == [
        f"{BROKEN}the name 'credentials' is that of a component of the core. Rename the service"
    ]


def test_a_secret_that_is_made_already_names_the_second_plugin(workplace: Path, distributions: Distributions) -> None:
    distributions.add(zun("ctx.credential('keystone-admin', {'password': Value.password()})"))
    what = "the service 'zun' makes the credential 'keystone-admin', which is there already. Give it another name"
    assert problems(workplace, "container") == [BROKEN + what]


def test_a_service_that_builds_nothing_is_no_mistake_and_has_no_folder(workplace: Path, distributions: Distributions) -> None:
    distributions.add(zun())
    made(workplace, "container").synth()
    assert not (workplace / "dist/zun").exists()
