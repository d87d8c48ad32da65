import json

import pytest

from runs.samples import files, invoices, items, pdf
from runs.samples.bank import BalanceBroken
from runs.samples.install import definitions, documents
from runs.samples.traffic import BROKEN, GOOD, choose
from runs.states import NodeStatus

from .walk import parsed, unfitting_inputs, walk

SLUGS = ("invoice_processing", "month_end", "nightly_report", "statement_import")
DECISIONS = {
    "open_supplier_case": "supplier to be set up",
    "flag_large": "second approval needed",
    "schedule_payment": "payment scheduled",
}
PATHS = {
    1001: "schedule_payment",
    1002: "flag_large",
    1003: "schedule_payment",
    1004: "flag_large",
    1005: "schedule_payment",
    1006: "flag_large",
    1007: "flag_large",
    1008: "flag_large",
    1009: "schedule_payment",
    1010: "open_supplier_case",
    1011: "open_supplier_case",
    1012: "schedule_payment",
}


def document(number: int) -> dict[str, str]:
    return {"document": f"samples/invoices/inv-{number}.pdf"}


def test_these_workflows_are_shipped() -> None:
    assert tuple(definitions()) == SLUGS


@pytest.mark.parametrize("slug", SLUGS)
def test_a_definition_names_executors_that_take_its_inputs(slug) -> None:
    nodes = parsed(slug).nodes.values()
    assert [unfitting_inputs(node) for node in nodes if node.kind == "executor"] == [
        "" for node in nodes if node.kind == "executor"
    ]


@pytest.mark.parametrize("slug", SLUGS)
def test_a_definition_names_files_and_folders_that_are_shipped(slug) -> None:
    words = json.dumps(definitions()[slug]).split('"')
    shipped = documents().keys() | {key.rpartition("/")[0] for key in documents()}
    assert {word for word in words if word.startswith("samples/")} <= shipped


def test_traffic_starts_what_the_schemas_accept() -> None:
    for tick in range(90):
        slug, data = choose(tick)
        assert parsed(slug).check_input(data) == ""


@pytest.mark.long
@pytest.mark.parametrize("number", PATHS)
def test_a_good_invoice_takes_its_path(ctx, storage, number) -> None:
    run = walk("invoice_processing", document(number), ctx)
    taken = {node for node in DECISIONS if run.statuses[node] == NodeStatus.COMPLETED}
    assert taken == {PATHS[number]}
    assert run.statuses["file_result"] == NodeStatus.COMPLETED
    assert run.output["decision"] == DECISIONS[PATHS[number]]
    filed = files.read_json(run.output["result"])
    assert filed["outcome"]["decision"] == run.output["decision"]
    assert filed["totals"]["total"] == run.output["total"]
    assert filed["totals"]["lines"] == run.outputs["extract_items"]["lines"]
    # A run's history holds what nodes give; the bulk of it belongs into storage.
    assert len(json.dumps(run.outputs)) < 20_000


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (1013, pdf.NotAPdf, "inv-1013.pdf is not a PDF"),
        (1014, pdf.TruncatedPdf, "inv-1014.pdf breaks off"),
        (1015, items.TotalsMismatch, "line items sum to 69,238.60, document says 96,238.60"),
        (1016, items.TotalsMismatch, "line items sum to 65,944.73, document says 65,854.73"),
        (1017, invoices.FieldMissing, "no invoice number found"),
    ],
)
def test_a_broken_invoice_fails_with_its_reason(ctx, storage, number, error, message) -> None:
    with pytest.raises(error, match=message):
        walk("invoice_processing", document(number), ctx)


def test_another_document_under_the_same_key_gives_another_result(ctx, storage) -> None:
    before = walk("invoice_processing", document(1003), ctx).output
    files.put("samples/invoices/inv-1003.pdf", files.read("samples/invoices/inv-1010.pdf"))
    after = walk("invoice_processing", document(1003), ctx).output
    assert before.items() & after.items() == {("result", before["result"])}


def test_another_supplier_list_gives_another_path(ctx, storage) -> None:
    rows = files.read_text("samples/suppliers.csv").splitlines(keepends=True)
    files.put("samples/suppliers.csv", "".join(r for r in rows if "Kestrel" not in r).encode())
    run = walk("invoice_processing", document(1001), ctx)
    assert run.output["decision"] == "supplier to be set up"


def test_the_statement_is_reconciled(ctx, storage) -> None:
    run = walk("statement_import", {"statement": "samples/bank/statement-2026-03.csv"}, ctx)
    assert set(run.statuses.values()) == {NodeStatus.COMPLETED}
    assert run.output["paid"] > 150
    assert files.read_json(run.output["result"])["open_invoices"]


def test_the_traffic_expects_of_its_documents_what_they_do() -> None:
    assert [data for _, data in GOOD] == [document(number) for number in PATHS]
    assert [data for _, data in BROKEN[:-1]] == [document(number) for number in range(1013, 1018)]
    assert BROKEN[-1][1] == {"statement": "samples/bank/statement-2026-04.csv"}


def test_the_broken_statement_fails_with_its_row(ctx, storage) -> None:
    with pytest.raises(BalanceBroken, match="row 140: "):
        walk(*BROKEN[-1], ctx)
