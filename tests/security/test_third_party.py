"""The table of what others wrote says what is really served."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from config.embedded.portal import PROJECT

TABLE = PROJECT / "docs" / "third-party.md"
# Where each says its version, and the folder in which its licence stands.
FILES = {
    "htmx": ("unfold/js/htmx/htmx.js", r'version:"([\d.]+)"'),
    "Alpine.js": ("unfold/js/alpine/alpine.js", r'version:"([\d.]+)"'),
    "Chart.js": ("unfold/js/chart/chart.js", r'"(4\.[\d.]+)"'),
    "SimpleBar": ("unfold/js/simplebar/simplebar.js", r"simplebar - v([\d.]+)"),
    "Inter": ("unfold/fonts/inter/styles.css", ""),
    "Material Symbols": ("unfold/fonts/material-symbols/styles.css", ""),
    "Swagger UI": (
        "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js",
        r'PACKAGE_VERSION:"([\d.]+)"',
    ),
    "jQuery": ("admin/js/vendor/jquery/jquery.js", r"jQuery JavaScript Library v([\d.]+)"),
    "Select2": ("admin/js/vendor/select2/select2.full.js", r"Select2 ([\d.]+)"),
    "XRegExp": ("admin/js/vendor/xregexp/xregexp.js", r"XRegExp\.version = '([\d.]+)'"),
}


def rows() -> dict[str, str]:
    found = re.findall(r"^\| ([^|]+) \| ([\d.]*) ?\| [^|]+ \| [^|]+ \|$", TABLE.read_text(), re.M)
    return {name.partition(",")[0]: version for name, version in found}


def test_each_is_named():
    assert set(rows()) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_version_is_that_of_the_file_and_its_licence_is_there(name):
    place, pattern = FILES[name]
    file = Path(finders.find(place))
    assert any(each.name.startswith("LICENSE") for each in file.parent.iterdir())
    if pattern:
        assert re.search(pattern, file.read_text())[1] == rows()[name]


def test_no_other_library_is_served():
    """Folders of scripts that are neither ours nor told of."""
    told = {Path(finders.find(place)).parent for place, _ in FILES.values()}
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            if not path.endswith((".js", ".mjs")) or path.startswith(
                ("runs/", "analytics/", "retention/")
            ):
                continue
            parent = Path(storage.path(path)).parent
            known = path.startswith(("admin/js/", "unfold/js/", "rest_framework/", "django_")) or (
                any(parent.is_relative_to(each) for each in told)
            )
            # Not linked from any page of the portal.
            assert known or "redoc" in path or "gis" in path, path
