"""Horizon: an administrator logs in with a browser, by the public name, and sees the cloud."""

from __future__ import annotations

import os
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real.boot.network import NODE
from tests.real.boot.scenario import DOMAIN, RunningCloud, Scenario
from tests.real.parts import absent

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

PUBLIC = f"https://horizon.{DOMAIN}"
PATIENCE_SECONDS = 60
CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
# A browser calls home at every start, unless it is told not to; as root it has no sandbox.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
    f"--host-resolver-rules=MAP *.{DOMAIN} {NODE}",
)


@contextmanager
def browser() -> Iterator[WebDriver]:
    """Chromium, which finds the public names at the ingress."""
    if lacking := [program for program in (CHROMIUM, CHROMEDRIVER) if not Path(program).exists()]:
        absent(f"{', '.join(lacking)} not installed (Debian: chromium chromium-driver)")
    from selenium import webdriver

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.accept_insecure_certs = True  # the authority is the cloud's own; the SDK is given it, and checks it
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
        try:
            driver.set_page_load_timeout(PATIENCE_SECONDS)
            yield driver
        finally:
            driver.quit()


def pictured(driver: WebDriver, name: str) -> None:
    """Keep a picture of the page, where SCREENSHOTS names a directory for them."""
    if directory := os.environ.get("SCREENSHOTS"):
        driver.save_screenshot(str(Path(directory) / f"{name}.png"))


def an_administrator_logs_in_with_a_browser_and_sees_the_projects(cloud: RunningCloud) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    admin = cloud.node.secret("keystone-admin")
    with browser() as driver:
        wait = WebDriverWait(driver, PATIENCE_SECONDS)
        driver.get(f"{PUBLIC}/")
        form = {"username": admin["username"], "password": admin["password"], "domain": admin["user_domain_name"]}
        wait.until(lambda d: d.find_elements(By.NAME, "username"))
        for name, text in form.items():
            driver.find_element(By.NAME, name).send_keys(text)
        assert "Maintenance on Sunday" in driver.find_element(By.TAG_NAME, "body").text
        # Styled: without its style sheet the button has the grey of every browser.
        assert driver.find_element(By.ID, "loginBtn").value_of_css_property("background-color") != "rgba(239, 239, 239, 1)"
        pictured(driver, "horizon-login")
        driver.find_element(By.ID, "loginBtn").click()
        wait.until(lambda d: d.find_elements(By.ID, "sidebar"))
        pictured(driver, "horizon-home")
        driver.get(f"{PUBLIC}/identity/")
        assert admin["project_name"] in wait.until(lambda d: d.find_element(By.CSS_SELECTOR, "table tbody")).text
        pictured(driver, "horizon-projects")
        cookies = {c["name"]: c for c in driver.get_cookies()}
        assert all(cookies[name]["secure"] for name in ("sessionid", "csrftoken"))
        assert cookies["sessionid"]["httpOnly"]


def static_files_come_compressed_and_may_be_kept(cloud: RunningCloud) -> None:
    page = _ask(cloud, f"{PUBLIC}/auth/login/")[1].decode()
    style = page.partition('href="/static/dashboard/css/')[2].partition('"')[0]
    headers, _ = _ask(cloud, f"{PUBLIC}/static/dashboard/css/{style}")
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Expires"]


def nothing_beside_the_static_files_is_served_as_one(cloud: RunningCloud) -> None:
    with pytest.raises(urllib.error.HTTPError, match="40[04]"):
        _ask(cloud, f"{PUBLIC}/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/horizon/local/local_settings.py")


def _ask(cloud: RunningCloud, url: str) -> tuple[dict[str, str], bytes]:
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310 - https
    trust = ssl.create_default_context(cafile=str(cloud.authority))
    with urllib.request.urlopen(request, timeout=30, context=trust) as answer:  # noqa: S310
        return dict(answer.headers.items()), answer.read()


SCENARIO = Scenario(
    services=["dashboard"],
    spec={
        "features": {
            "horizon": {
                "motd": {
                    "maintenance": {
                        "level": "warning",
                        "message": "<strong>Maintenance on Sunday.</strong> Servers go on; the dashboard does not.",
                        "beforeLogin": True,
                    }
                }
            }
        }
    },
    shows=[
        an_administrator_logs_in_with_a_browser_and_sees_the_projects,
        static_files_come_compressed_and_may_be_kept,
        nothing_beside_the_static_files_is_served_as_one,
    ],
)
