from __future__ import annotations

from collections.abc import Iterable

import pytest

from stackloom import Problem, Service, StackloomError, hookimpl
from stackloom.plugins import Plugins, load
from tests.distributions import Distributions

BROKEN = "plugin broken (stackloom-broken 0.3): "
FAULT = "This is a fault of the plugin: upgrade it, or report it to its authors"


def said(error: pytest.ExceptionInfo[StackloomError]) -> list[str]:
    return [str(problem) for problem in error.value.problems]


class Offering:
    """A plugin with these services."""

    def __init__(self, *services: Service) -> None:
        self.services = services

    @hookimpl
    def stackloom_services(self) -> Iterable[Service]:
        return self.services


class Checking:
    """A plugin whose rule gives this answer, or does this."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    @hookimpl
    def stackloom_validate(self) -> object:
        return self.answer() if callable(self.answer) else self.answer


def names(plugins: Plugins) -> list[str]:
    return [service.name for service in plugins.services]


# -- What is loaded ----------------------------------------------------------------------------------------------------


def test_services_are_sorted_by_name_whatever_the_order_of_the_plugins() -> None:
    first = {"b": Offering(Service(name="nova", type="compute")), "a": Offering(Service(name="zun", type="container"))}
    second = dict(reversed(first.items()))
    assert names(load(entry_points=(), extra=first)) == names(load(entry_points=(), extra=second)) == ["nova", "zun"]


def test_a_plugin_is_known_with_its_distribution_and_version(distributions: Distributions) -> None:
    distributions.add(
        """
        @hookimpl
        def stackloom_services():
            yield Service(name="vitrage", type="root-cause")
        """,
        plugin="vitrage",
        name="stackloom-vitrage",
        version="2.0",
    )
    plugins = distributions.load()
    assert str(plugins.origin_of("vitrage")) == "plugin vitrage (stackloom-vitrage 2.0)"
    assert [origin.plugin for origin in plugins.origins] == ["vitrage"]


def test_a_plugin_given_in_python_needs_no_distribution() -> None:
    plugins = load(entry_points=(), extra={"mine": Offering(Service(name="zun", type="container"))})
    assert str(plugins.origin_of("zun")) == "plugin mine"


def test_a_plugin_may_have_another_hook_alone() -> None:
    assert load(entry_points=(), extra={"strict": Checking([])}).services == ()


def test_a_plugin_may_take_a_hook_of_a_later_version_if_it_is_there() -> None:
    later = Offering(Service(name="zun", type="container"))
    later.stackloom_dashboards = hookimpl(optionalhook=True)(lambda: ())  # type: ignore[attr-defined]
    assert names(load(entry_points=(), extra={"later": later})) == ["zun"]


def test_a_plugin_may_be_written_for_this_version_of_the_api_and_others_at_once(distributions: Distributions) -> None:
    code = "@hookimpl\ndef stackloom_services(): yield Service(name='zun', type='container')"
    distributions.add(code, groups=("stackloom.plugin.v1", "stackloom.plugin.v2"))
    assert names(distributions.load()) == ["zun"]


def test_the_built_in_plugins_are_found_like_any_other() -> None:
    keystone = load().origin_of("keystone")
    assert (keystone.plugin, keystone.distribution) == ("keystone", "stackloom")


# -- Left out on purpose -----------------------------------------------------------------------------------------------


def test_a_disabled_plugin_is_not_even_imported(distributions: Distributions) -> None:
    distributions.add("raise SystemExit('imported')")
    assert distributions.load(disabled=["broken"]).services == ()


@pytest.mark.parametrize("group", ["stackloom.plugin.v0", "stackloom.plugin.v2"])
def test_a_plugin_for_another_version_may_be_disabled(distributions: Distributions, group: str) -> None:
    distributions.add("", groups=(group,))
    assert distributions.load(disabled=["broken"]).services == ()


def test_a_plugin_given_in_python_may_be_disabled() -> None:
    mine = {"mine": Offering(Service(name="zun", type="container"))}
    assert load(entry_points=(), extra=mine, disabled=["mine"]).services == ()


def test_each_disabled_name_that_no_plugin_has_is_a_problem_with_the_nearest_name(distributions: Distributions) -> None:
    distributions.add("raise ImportError")
    with pytest.raises(StackloomError) as error:
        distributions.load(disabled=["brokn", "broken", "zzz"])
    assert said(error) == [
        "spec.plugins.disabled[0]: no plugin is called 'brokn'. Did you mean 'broken'?",
        "spec.plugins.disabled[2]: no plugin is called 'zzz'. Known: broken",
    ]


# -- Broken plugins: one message each ----------------------------------------------------------------------------------

NO_HOOK = "Define stackloom_services() and put @stackloom.hookimpl above it"
UNUSABLE = {
    "an import that fails": (
        "import does_not_exist",
        f"ModuleNotFoundError on import, at stackloom_broken.py:3 in <module>: No module named 'does_not_exist'. {FAULT}",
    ),
    "a syntax error": ("x = = 1", f"SyntaxError on import: invalid syntax (stackloom_broken.py, line 3). {FAULT}"),
    "an exit on import": (
        "raise SystemExit('bye')",
        f"SystemExit on import, at stackloom_broken.py:3 in <module>: bye. {FAULT}",
    ),
    "a failure that says nothing": ("assert False", f"AssertionError on import, at stackloom_broken.py:3 in <module>. {FAULT}"),
    "a failure of several lines": (
        "raise ValueError('one\\n  two')",
        f"ValueError on import, at stackloom_broken.py:3 in <module>: one two. {FAULT}",
    ),
    "a failure in what it calls": (
        "import json\njson.loads('[')",
        f"JSONDecodeError on import, at stackloom_broken.py:4 in <module>: Expecting value: line 1 column 2 (char 1). {FAULT}",
    ),
    "no hook": ("x = 1", f"has no hook. {NO_HOOK}"),
    "a misspelt hook": (
        "@hookimpl\ndef stackloom_servcies(): yield",
        "stackloom_servcies is not a hook of plugin API v1. Did you mean 'stackloom_services'?",
    ),
    "a hook that is not marked": (
        "def stackloom_services(): yield",
        "stackloom_services is not marked as a hook. Put @stackloom.hookimpl above it",
    ),
    "an unknown argument": (
        "@hookimpl\ndef stackloom_validate(outputs): yield",
        "stackloom_validate has no argument 'outputs'. Did you mean 'output'?",
    ),
    "an argument where there is none": (
        "@hookimpl\ndef stackloom_services(config): yield",
        "stackloom_services has no argument 'config'. It has none",
    ),
    "a hook that raises": (
        "@hookimpl\ndef stackloom_services(): raise KeyError('nova')",
        f"KeyError in stackloom_services, at stackloom_broken.py:4 in stackloom_services: 'nova'. {FAULT}",
    ),
    "a hook that raises on the way": (
        "@hookimpl\ndef stackloom_services():\n    yield Service(name='zun', type='container')\n    [][1]",
        f"IndexError in stackloom_services, at stackloom_broken.py:6 in stackloom_services: list index out of range. {FAULT}",
    ),
    "a hook that exits": (
        "@hookimpl\ndef stackloom_services(): raise SystemExit(3)",
        f"SystemExit in stackloom_services, at stackloom_broken.py:4 in stackloom_services: 3. {FAULT}",
    ),
    "a hook that yields no Service": (
        "@hookimpl\ndef stackloom_services(): yield from ({'name': 'zun'}, {'name': 'nova'})",
        "stackloom_services yielded a dict, not a Service. Yield stackloom.Service records",
    ),
    "a hook that returns one Service": (
        "@hookimpl\ndef stackloom_services(): return Service(name='zun', type='container')",
        f"TypeError in stackloom_services: 'Service' object is not iterable. {FAULT}",
    ),
    "a hook that forgets to return": (
        "@hookimpl\ndef stackloom_services(): Service(name='zun', type='container')",
        "stackloom_services gave no Service. Yield at least one stackloom.Service",
    ),
    "a hook that gives nothing": (
        "@hookimpl\ndef stackloom_services(): return []",
        "stackloom_services gave no Service. Yield at least one stackloom.Service",
    ),
    "a name that Kubernetes would not take": (
        "@hookimpl\ndef stackloom_services(): yield Service(name='My Service', type='container')",
        "`name` of the service 'My Service' is not a DNS label. Use at most 63 lower-case letters, digits and dashes",
    ),
    "a service that takes itself for infrastructure": (
        "@hookimpl\ndef stackloom_services(): yield Service(name='zun', type='container', backs='cache')",
        "`backs` of the service 'zun' is for the core's own infrastructure. Leave it out",
    ),
    "a list where a name is wanted": (
        "@hookimpl\ndef stackloom_services(): yield Service(name=['zun'], type='container')",
        "`name` of the service ['zun'] should be a valid string",
    ),
    "a text where a set is wanted": (
        "@hookimpl\ndef stackloom_services(): yield Service(name='zun', type='container', requires='identity')",
        "`requires` of the service 'zun' should be a valid frozenset",
    ),
    "a text where a record is wanted": (
        "@hookimpl\ndef stackloom_services(): yield Service(name='zun', type='container', databases=('zun',))",
        "`databases[0]` of the service 'zun' should be an instance of Database",
    ),
    "a text where a number is wanted": (
        "@hookimpl\ndef stackloom_services(): yield Service(name='zun', type='x', endpoints=(Endpoint(service='z', port='1'),))",
        "`endpoints[0].port` of the service 'zun' should be a valid integer",
    ),
    "features that are no model": (
        "@hookimpl\ndef stackloom_services(): yield Service(name='zun', type='container', features=dict)",
        "`features` of the service 'zun' should be a subclass of SpecModel",
    ),
    "a problem that it raises itself": (
        "@hookimpl\ndef stackloom_services(): raise StackloomError(Problem('the moon is full', 'Wait'))",
        "the moon is full. Wait",
    ),
}


@pytest.mark.parametrize(("code", "message"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_broken_plugin_gives_one_message_that_names_it(code: str, message: str, distributions: Distributions) -> None:
    distributions.add(code)
    with pytest.raises(StackloomError) as error:
        distributions.load()
    assert said(error) == [BROKEN + message]


@pytest.mark.parametrize("version", ["v0", "v2"])
def test_a_plugin_for_another_version_of_the_api_is_refused_and_not_imported(version: str, distributions: Distributions) -> None:
    distributions.add("raise SystemExit", groups=(f"stackloom.plugin.{version}",))
    with pytest.raises(StackloomError) as error:
        distributions.load()
    hint = "Upgrade it, or leave it out with spec.plugins.disabled"
    assert said(error) == [f"{BROKEN}is written for plugin API {version}; this is v1. {hint}"]


def test_entry_points_of_other_groups_are_none_of_our_business(distributions: Distributions) -> None:
    distributions.add("raise SystemExit", groups=("console_scripts", "stackloom.plugins"))
    assert distributions.load().services == ()


def test_two_distributions_may_not_use_one_name(distributions: Distributions) -> None:
    code = "@hookimpl\ndef stackloom_services(): yield Service(name='{}', type='container')"
    distributions.add(code.format("zun"), plugin="twin", name="stackloom-b")
    distributions.add(code.format("nova"), plugin="twin", name="stackloom-a")
    with pytest.raises(StackloomError) as error:
        distributions.load()
    taken = "the name 'twin' is taken by plugin twin (stackloom-a 0.3). Uninstall one of the two"
    assert said(error) == [f"plugin twin (stackloom-b 0.3): {taken}"]


def test_a_plugin_given_in_python_may_not_use_the_name_of_an_installed_one(distributions: Distributions) -> None:
    distributions.add("@hookimpl\ndef stackloom_services(): yield Service(name='zun', type='container')")
    with pytest.raises(StackloomError) as error:
        distributions.load(extra={"broken": Offering(Service(name="nova", type="compute"))})
    assert said(error) == [
        "plugin broken: the name 'broken' is taken by plugin broken (stackloom-broken 0.3). Uninstall one of the two"
    ]


def test_two_plugins_may_not_add_one_service() -> None:
    same = Service(name="zun", type="container")
    with pytest.raises(StackloomError) as error:
        load(entry_points=(), extra={"b": Offering(same), "a": Offering(Service(name="zun", type="other"))})
    hint = "Rename one of them, or leave it out with spec.plugins.disabled"
    assert said(error) == [f"plugin b: the service 'zun' is added by plugin a already. {hint}"]


def test_all_that_is_wrong_with_one_plugin_is_said_at_once(distributions: Distributions) -> None:
    distributions.add("@hookimpl\ndef stackloom_servcies(): yield\n@hookimpl\ndef stackloom_validate(outputs, cloud): yield")
    with pytest.raises(StackloomError) as error:
        distributions.load()
    assert [problem.what for problem in error.value.problems] == [
        "stackloom_servcies is not a hook of plugin API v1",
        "stackloom_validate has no argument 'cloud'",
        "stackloom_validate has no argument 'outputs'",
    ]


def test_plugins_that_cannot_be_loaded_are_reported_together_and_the_good_one_is_not_blamed(distributions: Distributions) -> None:
    distributions.add("@hookimpl\ndef stackloom_servcies(): yield", plugin="a", name="stackloom-a")
    distributions.add("@hookimpl\ndef stackloom_services(): yield Service(name='zun', type='x')", plugin="b", name="stackloom-b")
    distributions.add("import does_not_exist", plugin="c", name="stackloom-c")
    with pytest.raises(StackloomError) as error:
        distributions.load()
    assert [problem.source for problem in error.value.problems] == ["plugin a (stackloom-a 0.3)", "plugin c (stackloom-c 0.3)"]


def test_plugins_whose_hooks_fail_are_reported_together(distributions: Distributions) -> None:
    for letter in "ab":
        distributions.add("@hookimpl\ndef stackloom_services(): 1/0", plugin=letter, name=f"stackloom-{letter}")
    with pytest.raises(StackloomError) as error:
        distributions.load()
    assert [problem.source for problem in error.value.problems] == ["plugin a (stackloom-a 0.3)", "plugin b (stackloom-b 0.3)"]


def test_an_interruption_is_nobodys_fault(distributions: Distributions) -> None:
    distributions.add("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        distributions.load()


# -- Asking ------------------------------------------------------------------------------------------------------------


def test_plugins_are_asked_in_the_order_of_their_names_and_one_that_fails_stops_no_other() -> None:
    good, other = Problem("one"), Problem("two")
    extra = {"c": Checking([other]), "a": Checking([good]), "b": Checking(lambda: 1 / 0), "d": Checking(["text"])}
    problems: list[Problem] = []
    answers = load(entry_points=(), extra=extra).ask("stackloom_validate", Problem, problems, deployment=None, output=[])
    assert [(origin.plugin, found) for origin, found in answers] == [("a", [good]), ("c", [other])]
    assert [problem.source for problem in problems] == ["plugin b", "plugin d"]
    assert problems[0].what.startswith("ZeroDivisionError in stackloom_validate, at tests/core/test_plugins.py:")
    assert problems[1].what == "stackloom_validate yielded a str, not a Problem"


def test_a_plugin_that_returns_nothing_has_nothing_to_say() -> None:
    problems: list[Problem] = []
    plugins = load(entry_points=(), extra={"a": Checking(None)})
    assert [found for _, found in plugins.ask("stackloom_validate", Problem, problems, deployment=None, output=[])] == [[]]
    assert problems == []


# -- Tracing -----------------------------------------------------------------------------------------------------------


def test_each_call_of_a_hook_can_be_watched(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STACKLOOM_TRACE_PLUGINS", "1")
    extra = {"b": Offering(Service(name="zun", type="container")), "a": Offering(Service(name="nova", type="compute"))}
    load(entry_points=(), extra=extra)
    assert capsys.readouterr().err.splitlines() == ["stackloom_services: plugin a", "stackloom_services: plugin b"]


@pytest.mark.parametrize("off", ["", "0"])
def test_no_call_is_shown_unless_asked_for(off: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STACKLOOM_TRACE_PLUGINS", off)
    load(entry_points=(), extra={"a": Offering(Service(name="nova", type="compute"))})
    assert capsys.readouterr().err == ""
