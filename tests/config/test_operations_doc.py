"""What docs/operations.md tells an operator to do is done, in its order, and works."""

import json
import re
import ssl
import urllib.request

import psycopg
import pytest

from config.embedded.portal import PROJECT
from tests.production import machine
from tests.production.machine import DOC, HOST, Machine, blocks
from tests.servers import temporary_folder

DEPLOY = PROJECT / "docs/deploy"


def test_the_blocks_of_the_page_are_found():
    found = blocks(DOC.read_text())
    assert len(found) == DOC.read_text().count("```sh")
    assert "manage.py restore" in "".join(found)
    assert not [block for block in found if block.startswith(" ")]
    assert len(blocks(DOC.read_text(), until="PgBouncer")) < len(found)


def test_units_target_and_page_name_the_same_processes():
    units = {path.name for path in DEPLOY.joinpath("systemd").glob("*.service")}
    wanted = re.findall(r"portal-\S+", DEPLOY.joinpath("systemd/portal.target").read_text())
    assert {re.sub("@.*", "@.service", name) for name in wanted} == units
    page = DOC.read_text()
    for name in wanted:
        assert f"`{name.removesuffix('.service')}`" in page


def test_the_environment_file_is_understood_as_it_stands(tmp_path):
    lines = DEPLOY.joinpath("portal.env").read_text().splitlines()
    assert all(re.match(r"#|[A-Z0-9_]+=[^ ]*$|$", line) for line in lines)
    readme = PROJECT.joinpath("README.md").read_text() + DOC.read_text()
    for line in lines:
        name = line.lstrip("#").partition("=")[0]
        if re.fullmatch("[A-Z0-9_]+", name) and name not in ("PYTHONPATH", "NODE_SECRET_ERP"):
            assert name in readme or name in ("DJANGO_SETTINGS_MODULE", "CELERY_SKIP_CHECKS"), name


@pytest.mark.long
def test_every_command_of_the_page_is_run_and_works():
    at = Machine(temporary_folder(), own_packages=True)
    commands = blocks(DOC.read_text())
    if not at.has_nginx:
        commands = [block for block in commands if "nginx" not in block]
    try:
        at.start_servers()
        said = at.run(*commands, seconds=900)
        assert '"status": "ok"' in said
        assert "rows of" in said
        with psycopg.connect(at.postgres.url("portal")) as there:
            found = there.execute(
                "SELECT action FROM marie_scheduler.audit ORDER BY id DESC LIMIT 1"
            ).fetchone()
            assert found == ("restore database",)
        for log in at.root.glob("log/portal-*.log"):
            lines = log.read_text().splitlines()
            assert all(json.loads(line)["level"] for line in lines), log.name
        if at.has_nginx:
            _check_in_front(at)
    finally:
        at.end()


def _check_in_front(at: Machine) -> None:
    """What nginx and the portal say to a browser."""
    trusted = ssl.create_default_context(cafile=at.path("/etc/ssl/portal/portal.crt"))
    trusted.check_hostname = False
    url = f"https://127.0.0.1:{at.port(443)}"

    def asked(path: str) -> urllib.request.Request:
        return urllib.request.Request(url + path, headers={"Host": HOST})

    with urllib.request.urlopen(asked("/admin/login/"), context=trusted, timeout=10) as answer:
        page = answer.read().decode()
        assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]
        assert "Secure" in answer.headers["Set-Cookie"]
        assert answer.headers["X-Request-ID"]
    style = re.search(r'href="(/static/[^"]+\.css)"', page)
    assert style is not None
    with urllib.request.urlopen(asked(style[1]), context=trusted, timeout=10) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Type"].startswith("text/css")


def test_what_stands_for_the_paths_and_ports_of_the_page_is_whole():
    text = "".join(blocks(DOC.read_text())) + "".join(
        path.read_text() for path in DEPLOY.rglob("*") if path.is_file()
    )
    for port in re.findall(r"(?:127\.0\.0\.1|localhost|port[ =]+):?(\d{4})\b", text):
        assert port in machine.PORTS
