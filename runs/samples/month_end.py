"""A month end: the invoices of a whole folder, read and added up, and those that were refused."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Final

from runs.engine.registry import executor
from runs.samples import currencies, files, money
from runs.samples import suppliers as supplier_list
from runs.samples.context import Context, Output, Refused, step
from runs.samples.invoices import read_fields
from runs.samples.items import add_up, read_items
from runs.samples.pdf import PAGE_BREAK, read_pages

MOST_DOCUMENTS = 200
MOST_SHOWN = 20
_SUMMED: Final = ("net", "tax", "total", "total_eur")


class FolderUnfit(Refused):
    """The folder holds nothing to read, or more than one run reads."""


class InvoiceTwice(Refused):
    """Another document holds the same invoice, which is paid once."""


class _OneDocument:
    """The batch's context while it reads one document."""

    def __init__(self, batch: Context, document: str) -> None:
        self.run_id, self.node = batch.run_id, batch.node
        self._batch, self._document = batch, document

    @property
    def should_stop(self) -> bool:
        return self._batch.should_stop

    def log(self, message: str, level: str = "info") -> None:
        self._batch.log(f"{_name(self._document)}: {message}", level)

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Nothing: the batch counts documents, not their pages and lines."""


@executor("samples.list_documents")
def list_documents(ctx: Context, folder: str) -> Output:
    names = files.names(folder)
    found = [f"{folder}/{name}" for name in names if name.lower().endswith(".pdf")]
    if not 0 < len(found) <= MOST_DOCUMENTS:
        raise FolderUnfit(
            f"{folder} holds {len(found):,} PDFs; a month end reads from 1 to {MOST_DOCUMENTS}"
        )
    ctx.log(f"from {_name(found[0])} to {_name(found[-1])}")
    if others := len(names) - len(found):
        ctx.log(f"files that are no PDFs and stay unread: {others}", level="warning")
    middle = (len(found) + 1) // 2
    return {
        "documents": len(found),
        "first_half": found[:middle],
        "second_half": found[middle:],
    }


@executor("samples.read_documents")
def read_documents(ctx: Context, documents: list[str]) -> Output:
    """One after the other; what can't be processed is refused, and the rest goes on."""
    read, refused = [], []
    for number, document in enumerate(documents, start=1):
        try:
            read.append(_read(ctx, document))
        except Refused as reason:
            refused.append(_refusal(ctx, document, reason))
        step(ctx, number, len(documents), "document")
    content = {"read": read, "refused": refused}
    return {
        "read": len(read),
        "refused": len(refused),
        "pages": sum(invoice["pages"] for invoice in read),
        "lines": sum(invoice["lines"] for invoice in read),
        "read_key": files.put_json(files.result_key(ctx, f"{ctx.node}.json"), content),
    }


@executor("samples.sum_per_supplier")
def sum_per_supplier(ctx: Context, read_keys: list[str], suppliers: str, rates: str) -> Output:
    """What is to be paid, per supplier and currency, the largest sum first."""
    halves = [files.read_json(key) for key in read_keys]
    known = files.read_table(suppliers, supplier_list.COLUMNS)
    prices = files.read_table(rates, currencies.COLUMNS)
    refused = [refusal for half in halves for refusal in half["refused"]]
    documents: dict[tuple[str, str], str] = {}
    groups: dict[tuple[str, str, str], list[Output]] = defaultdict(list)
    for invoice in (invoice for half in halves for invoice in half["read"]):
        document, number, currency = (invoice[key] for key in ("document", "number", "currency"))
        try:
            supplier = supplier_list.find_supplier(ctx, invoice, known)
            name = supplier.get("name", invoice["supplier"])
            if (first := documents.setdefault((name, number), document)) != document:
                raise InvoiceTwice(f"invoice {number} of {name} is in {_name(first)} too")
            euros = currencies.convert(ctx, invoice, prices)["total_eur"]
        except Refused as reason:
            refused.append(_refusal(ctx, document, reason))
        else:
            key = (supplier.get("supplier_id", ""), name, currency)
            groups[key].append({**invoice, "total_eur": euros})
    sums = sorted(
        (_sum(*key, group) for key, group in groups.items()),
        key=lambda row: (-Decimal(row["total_eur"]), row["supplier"], row["currency"]),
    )
    return {
        "invoices": sum(row["invoices"] for row in sums),
        "refused": len(refused),
        "total_eur": money.plain(sum((Decimal(row["total_eur"]) for row in sums), Decimal(0))),
        "sums": len(sums),
        "largest": sums[:MOST_SHOWN],
        "sums_key": files.put_json(files.result_key(ctx, "sums.json"), sums),
        "refused_key": files.put_json(files.result_key(ctx, "refused.json"), refused),
    }


@executor("samples.write_exceptions")
def write_exceptions(ctx: Context, refused_key: str) -> Output:
    """For a person to look after."""
    refused = files.read_json(refused_key)
    columns = ("document", "error", "reason")
    key = files.put_table(
        files.result_key(ctx, "exceptions.csv"),
        columns,
        ([refusal[column] for column in columns] for refusal in refused),
    )
    return {
        "documents": len(refused),
        "errors": dict(Counter(refusal["error"] for refusal in refused).most_common()),
        "exceptions_key": key,
    }


@executor("samples.write_summary")
def write_summary(
    ctx: Context, folder: str, payable: Output, receivable: Output, exceptions: Output | None
) -> Output:
    """`exceptions` is None where no document was refused."""
    sums = files.read_json(payable["sums_key"])
    summary = (
        f"{money.shown(Decimal(payable['total_eur']))} EUR to pay, "
        f"{money.shown(Decimal(receivable['open']))} EUR to receive; documents refused: "
        f"{payable['refused']} of {payable['invoices'] + payable['refused']}"
    )
    columns = ("supplier_id", "supplier", "currency", "invoices", *_SUMMED, "first_due")
    if sums:
        largest = sums[0]
        due = f"due from {largest['first_due']}" if largest["first_due"] else "without a due date"
        ctx.log(
            f"most goes to {largest['supplier']}: "
            f"{money.shown(Decimal(largest['total_eur']))} EUR, {due}"
        )
    return {
        "summary": summary,
        "csv_key": files.put_table(
            files.result_key(ctx, "month-end.csv"),
            columns,
            ([_cell(row, column) for column in columns] for row in sums),
        ),
        "json_key": files.put_json(
            files.result_key(ctx, "month-end.json"),
            {
                "folder": folder,
                "invoices": payable["invoices"],
                "total_eur": payable["total_eur"],
                "suppliers": sums,
                "open_invoices": receivable["invoices"],
                "open_eur": receivable["open"],
                "refused": payable["refused"],
                "errors": exceptions["errors"] if exceptions else {},
            },
        ),
        "exceptions_key": exceptions["exceptions_key"] if exceptions else None,
    }


def _read(ctx: Context, document: str) -> Output:
    """The invoice without its lines, which were only needed to check it."""
    one = _OneDocument(ctx, document)
    pages = read_pages(one, document, files.read(document))
    text = PAGE_BREAK.join(pages)
    fields = read_fields(text)
    _, lines = read_items(text)
    totals = add_up(one, fields, lines)
    one.log(
        f"invoice {fields['number']} of {fields['supplier']}, "
        f"{money.shown(Decimal(totals['total']))} {fields['currency']} in {len(lines)} lines"
    )
    return {"document": document, "pages": len(pages), **fields, **totals}


def _refusal(ctx: Context, document: str, reason: Refused) -> Output:
    why = str(reason)
    if why.startswith(f"{document} "):
        why = "it " + why.removeprefix(f"{document} ")
    ctx.log(f"{_name(document)} is refused: {why}", level="warning")
    return {"document": document, "error": type(reason).__name__, "reason": str(reason)}


def _sum(supplier_id: str, supplier: str, currency: str, invoices: list[Output]) -> Output:
    return {
        "supplier_id": supplier_id,
        "supplier": supplier,
        "currency": currency,
        "invoices": len(invoices),
        **{
            column: money.plain(sum((Decimal(i[column]) for i in invoices), Decimal(0)))
            for column in _SUMMED
        },
        "first_due": min((i["due_date"] for i in invoices if i["due_date"]), default=""),
    }


def _cell(row: Output, column: str) -> object:
    # As numbers: a credit note's sum begins with a minus, as formulas do.
    return Decimal(row[column]) if column in _SUMMED else row[column]


def _name(document: str) -> str:
    return document.rsplit("/", 1)[-1]
