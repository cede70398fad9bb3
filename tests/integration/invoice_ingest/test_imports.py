from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.invoice_ingest.conftest import DEBTOR, INVOICE, Ledger

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "mappings"
IBM = (EXAMPLES / "ibm-late-payment.yaml").read_text()
MAPPING: dict[str, Any] = {
    "format": "dunning-import/1",
    "constants": {"debtor.country": "FR", "debtor.kind": "business", "invoice.currency": "EUR"},
    "columns": {
        "who": "debtor.debtor_id",
        "mail": "debtor.email",
        "id": "invoice.invoice_id",
        "issued": "invoice.issued_on",
        "due": "invoice.due_on",
        "total": "invoice.amount",
        "paid": "invoice.settled_on",
    },
}
HEADER = "who,mail,id,issued,due,total,paid\n"


async def send(
    client: httpx.AsyncClient, file: bytes | str, mapping: Any = None, **fields: str
) -> httpx.Response:
    text = mapping if isinstance(mapping, str | bytes) else yaml.safe_dump(mapping or MAPPING)
    raw = file if isinstance(file, bytes) else file.encode()
    return await client.post(
        "/v1/imports",
        files={"file": ("file.csv", raw, "text/csv"), "mapping": ("mapping.yaml", text)},
        data=fields,
    )


async def test_the_real_file_is_taken_to_the_cent(
    acme: httpx.AsyncClient, ledger: Ledger, shared: Path
) -> None:
    file = shared / "data" / "ibm_late_payment" / "WA_Fn-UseC_-Accounts-Receivable.csv"

    answer = (await send(acme, file.read_bytes(), IBM)).json()

    assert (answer["rows"], answer["taken"], answer["bad"]) == (2466, 2466, [])
    assert answer["summary"]["invoices"]["created"] == 2466
    assert answer["summary"]["debtors"]["created"] == 100
    [row] = await ledger.rows("SELECT sum(amount_minor) AS total, count(*) AS n FROM invoice")
    assert (row["total"], row["n"]) == (14_770_318, 2466)
    [row] = await ledger.rows("SELECT count(*) AS n FROM invoice WHERE settled_on > due_on")
    assert row["n"] == 877
    await ledger.money_is_conserved()


async def test_the_real_bad_file_names_its_bad_rows_and_gives_the_good_ones(
    acme: httpx.AsyncClient, ledger: Ledger, shared: Path
) -> None:
    file = shared / "data" / "ibm_late_payment" / "WA_Fn-UseC_-Accounts-Receivable_with_missing.csv"

    answer = (await send(acme, file.read_bytes(), IBM)).json()
    again = (await send(acme, file.read_bytes(), IBM)).json()

    assert (answer["rows"], answer["taken"], len(answer["bad"])) == (2586, 2466, 120)
    assert answer["bad"][0]["line"] == 3
    assert "PaperlessDate: it is empty" in answer["bad"][0]["reason"]
    assert again["summary"]["invoices"]["unchanged"] == 2466
    [row] = await ledger.rows("SELECT count(*) AS n FROM invoice")
    assert row["n"] == 2466


async def test_a_row_is_taken_with_all_its_records_or_not_at_all(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    await acme.put("/v1/invoices/F1", json=INVOICE | {"revision": 7})
    await acme.put(
        "/v1/payments/settlement-F2",
        json={"debtor_id": "d1", "currency": "EUR", "amount": "1.00", "value_date": "2026-01-01"},
    )

    answer = (
        await send(
            acme,
            HEADER
            + "C1,,F1,2026-01-01,2026-01-31,50.00,\n"  # the invoice is another debtor's
            + "C2,,F2,2026-01-01,2026-01-31,50.00,2026-02-01\n"  # its payment is known otherwise
            + "C3,,F3,2026-01-01,2026-01-31,50.00,2026-02-01\n",
        )
    ).json()

    assert (answer["taken"], [bad["line"] for bad in answer["bad"]]) == (1, [2, 3])
    assert answer["bad"][0]["column"] == "who"
    debtors = await ledger.rows("SELECT debtor_id FROM debtor ORDER BY 1")
    assert [row["debtor_id"] for row in debtors] == ["C3", "d1", "d2"]
    invoices = await ledger.rows("SELECT invoice_id, status FROM invoice ORDER BY 1")
    assert [tuple(row) for row in invoices] == [("F1", "open"), ("F3", "paid")]
    await ledger.money_is_conserved()


async def test_what_the_fields_refuse_is_said_of_the_column(acme: httpx.AsyncClient) -> None:
    answer = (
        await send(
            acme,
            HEADER
            + "C/1,,F1,2026-01-01,2026-01-31,50.00,\n"
            + "C2,nobody,F2,2026-01-01,2026-01-31,50.00,\n"
            + "C3,,F3,1026-01-01,2026-01-31,50.00,\n",
        )
    ).json()

    assert [bad["column"] for bad in answer["bad"]] == ["who", "mail", "issued"]
    assert answer["taken"] == 0


async def test_an_import_does_not_overwrite_known_debtors_unless_told(
    acme: httpx.AsyncClient,
) -> None:
    file = HEADER + "d1,new@example.com,F1,2026-01-01,2026-01-31,50.00,\n"

    await send(acme, file)
    kept = (await acme.get("/v1/debtors/d1")).json()
    await send(acme, file, MAPPING | {"debtors": "update"})
    changed = (await acme.get("/v1/debtors/d1")).json()

    assert kept["contacts"]["emails"] == DEBTOR["contacts"]["emails"]
    assert changed["contacts"]["emails"] == ["new@example.com"]


async def test_a_trial_stores_nothing(acme: httpx.AsyncClient, ledger: Ledger) -> None:
    lines = "".join(f"C{n % 3},,F{n},2026-01-01,2026-01-31,50.00,\n" for n in range(1_500))
    before = await ledger.types()

    trial = (await send(acme, HEADER + lines, commit="false")).json()
    real = (await send(acme, HEADER + lines, commit="true")).json()

    assert (trial["committed"], real["committed"]) == (False, True)
    assert trial["summary"] == real["summary"]
    assert trial["taken"] == real["taken"] == 1_500
    assert len(await ledger.types()) == len(before) + 3 + 1_500
    assert (
        real["summary"]["debtors"] | {"created": 3, "unchanged": 1_497}
        == real["summary"]["debtors"]
    )


@pytest.mark.parametrize(
    ("file", "mapping", "pointer"),
    [
        (b"", MAPPING, "/file"),
        ("who,id\n", MAPPING, "/file"),
        ((HEADER + "x").encode("utf-16"), MAPPING, "/file"),
        (HEADER, MAPPING | {"format": "2"}, "/mapping/format"),
        (HEADER, "columns: [", "/mapping"),
        (HEADER, "!!python/object/apply:os.system ['true']", "/mapping"),
        (HEADER, b"\xff\xfe\x00", "/mapping"),
        (HEADER, "x" * 70_000, "/mapping"),
        (HEADER, "just text", "/mapping"),
        (HEADER, '"\\ud800": 1', "/mapping/\\ud800"),
    ],
)
async def test_a_file_or_a_mapping_that_cannot_be_used_is_a_problem(
    acme: httpx.AsyncClient, file: bytes | str, mapping: Any, pointer: str
) -> None:
    answer = await send(acme, file, mapping)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_an_incomplete_form_is_a_problem(acme: httpx.AsyncClient) -> None:
    no_mapping = await acme.post("/v1/imports", files={"file": ("f.csv", b"a")})
    no_file = await acme.post("/v1/imports", data={"mapping": "x"})
    no_form = await acme.post("/v1/imports", json={})
    broken = await acme.post(
        "/v1/imports",
        content=b"--x\r\nbroken",
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    odd_commit = await send(acme, HEADER, commit="maybe")

    statuses = [a.status_code for a in (no_mapping, no_file, no_form, broken, odd_commit)]
    assert statuses[:3] == [422, 422, 422]
    assert statuses[3] in (400, 422)
    assert statuses[4] == 422


async def test_a_french_export_and_then_its_payments_are_taken(
    acme: httpx.AsyncClient, ledger: Ledger
) -> None:
    export = (
        "Code client;Raison sociale;Type;Pays;E-mail;Téléphone;Adresse;Code postal;Ville;"
        "N° facture;Date facture;Échéance;Montant TTC;Réglée le\n"
        "C1;Café de l’Œuf;Pro;FR;cafe@example.com;06 39 98 12 34;1 rue Haute;69001;Lyon;"
        "FA1;05/01/2026;04/02/2026;1 234,50;-\n"
    ).encode("cp1252")
    payments = (
        "payment,customer,currency,amount,value_date,invoice\n"
        "P1,C1,EUR,234.50,2026-02-10,FA1\nP2,C1,EUR,2000.00,2026-02-12,\nP2,C1,EUR,1.00,2026-02-12,\n"
    )

    first = (await send(acme, export, (EXAMPLES / "french-ledger-export.yaml").read_text())).json()
    second = (await send(acme, payments, (EXAMPLES / "payments.yaml").read_text())).json()

    assert (first["taken"], first["bad"]) == (1, [])
    assert (second["taken"], [bad["line"] for bad in second["bad"]]) == (2, [4])
    debtor = (await acme.get("/v1/debtors/C1")).json()
    assert debtor["name"] == "Café de l’Œuf"
    assert debtor["contacts"]["phones"] == ["+33639981234"]
    assert debtor["balances"][0]["unallocated"] == "1000.00"
    await ledger.money_is_conserved()
