from __future__ import annotations

import configparser
import logging.config
from pathlib import Path

import yaml

from stackloom.oslo.files import logging_conf, paste_ini, policy_yaml, uwsgi_ini


def test_python_takes_the_logging_configuration(tmp_path: Path):
    text = logging_conf("DEBUG").replace("oslo_log.formatters.ContextFormatter", "logging.Formatter")
    (tmp_path / "logging.conf").write_text(text)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        logging.config.fileConfig(tmp_path / "logging.conf", disable_existing_loggers=False)
        assert (root.level, logging.getLogger("sqlalchemy").level) == (logging.DEBUG, logging.WARNING)
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def test_the_services_log_in_their_own_format_to_standard_output():
    parser = configparser.RawConfigParser()
    parser.read_string(logging_conf())
    assert parser["logger_root"]["level"] == "INFO"
    assert parser["handler_stdout"]["args"] == "(sys.stdout,)"
    assert parser["formatter_context"]["class"] == "oslo_log.formatters.ContextFormatter"


def test_a_policy_holds_the_operators_rules_by_name():
    rules = {"image:publish": "role:admin", "image:delete": "rule:owner"}
    text = policy_yaml(rules)
    assert yaml.safe_load(text) == rules
    assert text.index("image:delete") < text.index("image:publish")


def test_a_policy_without_rules_is_an_empty_mapping_and_not_an_empty_file():
    assert policy_yaml({}) == "{}\n"


def test_uwsgi_serves_the_module_on_the_port_and_ends_on_sigterm():
    parser = configparser.RawConfigParser()
    parser.read_string(uwsgi_ini(module="glance.wsgi:application", port=9292, name="glance-api", processes=4))
    options = parser["uwsgi"]
    assert (options["module"], options["http-socket"], options["processes"]) == ("glance.wsgi:application", "0.0.0.0:9292", "4")
    assert (options["need-app"], options["die-on-term"]) == ("true", "true")


def test_options_of_uwsgi_can_be_added_and_replaced():
    text = uwsgi_ini(module="m", port=1, name="n", processes=1, extra={"buffer-size": "1", "threads": "2"})
    assert "buffer-size = 1\n" in text
    assert "threads = 2\n" in text
    assert text.count("buffer-size") == 1


def test_the_audit_filter_stands_in_a_pipeline_where_calls_are_audited():
    pipeline = {"pipeline:main": {"pipeline": ["authtoken", "audit", "app"]}}
    assert paste_ini(pipeline, service="glance", audited=False) == "[pipeline:main]\npipeline = authtoken app\n"
    parser = configparser.RawConfigParser()
    parser.read_string(paste_ini(pipeline, service="glance", audited=True))
    assert parser["pipeline:main"]["pipeline"] == "authtoken audit app"
    assert parser["filter:audit"]["audit_map_file"].endswith("/glance_api_audit_map.conf")
