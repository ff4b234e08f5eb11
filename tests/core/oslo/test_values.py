from __future__ import annotations

import pytest

from stackloom.oslo.ini import Multi
from stackloom.oslo.ini import Option as Value
from stackloom.oslo.schema import Option
from stackloom.oslo.values import unfit

NUMBERS = Option(type="list", items=Option(type="integer", min=1))
PAIRS = Option(type="dict", items=Option(type="integer"))

FIT: list[tuple[Option, Value]] = [
    (Option(), "anything"),
    (Option(), 5),
    (Option(regex="^[a-z]+$"), "abc"),
    (Option(type="boolean"), True),
    (Option(type="boolean"), "off"),
    (Option(type="integer", min=-1), -1),
    (Option(type="integer"), "12"),
    (Option(type="float", max=1), 0.5),
    (Option(type="port"), 65535),
    (Option(type="port", min=1024), 1024),
    (Option(type="address"), "fd00::1"),
    (Option(type="host"), "db.example.org"),
    (Option(type="hostname"), "node-1"),
    (Option(type="uri"), "mysql+pymysql:///x"),
    (Option(choices=("fernet", "jws")), "jws"),
    (Option(choices=("ERROR",), any_case=True), "error"),
    (Option(choices=(1, 2)), 2),
    (Option(type="list"), "a,b"),
    (NUMBERS, [1, 2]),
    (NUMBERS, ""),
    (Option(type="list", bounds=True, items=Option(type="integer")), "[1,2]"),
    (PAIRS, ["a:1", "b:2"]),
    (Option(multi=True), ["a", "b"]),
    (Option(multi=True, type="port"), Multi((1, 2))),
    (Option(type="integer"), "$other"),
    (Option(type="integer"), None),
]
UNFIT: list[tuple[Option, Value, str]] = [
    (Option(longest=3), "abcd", "at most 3 characters long"),
    (Option(regex="^[a-z]+$"), "ABC", "text that matches ^[a-z]+$"),
    (Option(type="boolean"), "maybe", "true or false"),
    (Option(type="integer"), "many", "a whole number"),
    (Option(type="integer"), 1.5, "a whole number"),
    (Option(type="integer", min=0), -1, "a whole number of 0 at least"),
    (Option(type="float", max=1), 2, "a number of 1 at most"),
    (Option(type="port"), 65536, "a port of 65535 at most"),
    (Option(type="address"), "10.0.0", "an IP address"),
    (Option(type="host"), "a_b", "an IP address or the name of a host"),
    (Option(type="hostname"), "-a", "the name of a host"),
    (Option(type="uri"), "example.org", "a URL"),
    (Option(choices=("fernet", "jws")), "fernt", "one of 'fernet', 'jws'"),
    (NUMBERS, [1, 0], "a list, each of which is a whole number of 1 at least"),
    (PAIRS, ["a"], "pairs of key:value with commas between them"),
    (PAIRS, "a:x", "a list, each of which is a whole number"),
    (Option(), Multi(("a", "b")), "one value, not several lines"),
    (Option(multi=True, type="port"), [1, "x"], "a port"),
]


@pytest.mark.parametrize(("option", "value"), FIT)
def test_what_oslo_config_takes_fits(option: Option, value: Value) -> None:
    assert unfit(option, value) == ""


@pytest.mark.parametrize(("option", "value", "reason"), UNFIT)
def test_what_it_would_refuse_does_not_and_the_reason_says_what_does(option: Option, value: Value, reason: str) -> None:
    assert unfit(option, value) == reason
