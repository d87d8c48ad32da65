from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from runs.models import Workflow, WorkflowVersion
from runs.samples import files
from runs.samples.install import Installed, definitions, documents, install


def held(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.django_db
def test_installing_again_changes_nothing(empty_storage) -> None:
    workflows = tuple(f"{slug} v1" for slug in definitions())
    shipped = len(documents())
    assert install() == Installed(workflows, documents=shipped, placed=shipped)
    assert install() == Installed(workflows, documents=shipped, placed=0)
    assert held(empty_storage) == documents().keys()


@pytest.mark.django_db
def test_a_changed_document_and_definition_are_renewed(empty_storage) -> None:
    install()
    files.put("samples/suppliers.csv", b"changed")
    Workflow.objects.publish("nightly_report", {"nodes": []})
    assert install().placed == 1
    assert files.read("samples/suppliers.csv") == documents()["samples/suppliers.csv"].read_bytes()
    newest = WorkflowVersion.objects.filter(workflow__slug="nightly_report").first()
    assert (newest.number, newest.definition) == (3, definitions()["nightly_report"])


@pytest.mark.django_db(transaction=True)
def test_two_at_once_install_it_once(empty_storage) -> None:
    def one(_: int) -> Installed:
        try:
            return install()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(one, range(4)))) == 4
    assert held(empty_storage) == documents().keys()
    assert WorkflowVersion.objects.count() == len(definitions())


@pytest.mark.django_db
def test_the_command_says_what_it_did(empty_storage, capsys) -> None:
    call_command("install_samples")
    expected = f"{len(documents())} documents, {len(documents())} of them new"
    assert expected in capsys.readouterr().out
