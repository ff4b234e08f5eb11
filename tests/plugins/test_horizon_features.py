from __future__ import annotations

from stackloom_openstack.horizon.features import HorizonFeatures
from tests.plugins.cloud import cloud, problems

THEME = {"name": "ours", "url": "https://example.org/ours.tar.gz", "sha256summ": "0" * 64, "description": "Ours"}


def test_without_a_word_the_default_theme_is_used() -> None:
    features = cloud().features_of("horizon", HorizonFeatures)
    assert (features.default_theme, features.themes, features.motd) == ("default", [], {})


def test_a_theme_of_ones_own_may_be_the_default() -> None:
    assert problems({"horizon": {"themes": [THEME], "default_theme": "ours"}}) == []


def test_a_theme_that_is_off_needs_a_name_alone() -> None:
    assert problems({"horizon": {"themes": [{"name": "mirantis", "enabled": False}]}}) == []


def test_a_message_is_shown_behind_the_login_unless_told_otherwise() -> None:
    message = cloud({"horizon": {"motd": {"maint": {"level": "info", "message": "Soon"}}}}).features_of(
        "horizon", HorizonFeatures
    )
    assert (message.motd["maint"].beforeLogin, message.motd["maint"].afterLogin) == (False, True)
