"""`dunning evidence`: everything about a claim in signed archives, for a lawyer or an agency.

Makes them, checks them (offline, on any machine), and prints the public key that checks them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from notifier.adapters.evidence_key import EvidenceKeyError, fingerprint_of, is_signed
from notifier.domain.evidence_check import NoArchiveError, Verdict, check, missing_volumes
from standalone.cli.reach import (
    DEFAULT_TENANT,
    CommandError,
    Data,
    Tenant,
    ask,
    console,
    errors,
    read_file,
)
from standalone.client import Client


def evidence(
    data: Data,
    target: Annotated[
        Path | None,
        typer.Argument(help="The ZIP file to write; several volumes get names of their own."),
    ] = None,
    invoice: Annotated[str | None, typer.Option(help="About this invoice.")] = None,
    debtor: Annotated[
        str | None, typer.Option(help="Or about all invoices of this debtor.")
    ] = None,
    revoke_links: Annotated[
        bool,
        typer.Option("--revoke-links", help="End the links to the debtor's page in its messages."),
    ] = False,
    verify: Annotated[
        list[Path] | None,
        typer.Option(help="Check this archive instead, without the platform; may be repeated."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The creditor's public key (PEM), to check with.")
    ] = None,
    public_key: Annotated[
        bool, typer.Option("--public-key", help="Print the public key instead, to publish it.")
    ] = False,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Write messages, decisions, payments and answers, with a signed manifest, into an archive."""
    if public_key:
        _print_key(data, tenant)
    elif verify:
        _verify(verify, key)
    elif target is None or (invoice is None) == (debtor is None):
        raise typer.BadParameter(
            "say a FILE with --invoice or --debtor, or --verify FILE, or --public-key"
        )
    else:
        wanted = {"invoice_id": invoice} if invoice else {"debtor_id": debtor or ""}
        if revoke_links:
            wanted["revoke_links"] = "true"
        _make(data, tenant, target, wanted)


def _make(data: Path, tenant: str, target: Path, wanted: dict[str, str]) -> None:
    method = "POST" if "revoke_links" in wanted else "GET"

    async def fetch(client: Client) -> list[tuple[Path, Verdict]]:
        made: list[tuple[Path, Verdict]] = []
        while not made or len(made) < _volumes(made[0][1]):
            asked = wanted | ({"volume": str(len(made) + 1)} if made else {})
            await client.save("notifier", "/v1/evidence", target, method=method, params=asked)
            made.append(_kept(target))
        return made

    try:
        made = ask(data, tenant, fetch)
    except OSError as error:
        raise CommandError(f"cannot write {target}: {error.strerror or error}") from error
    _tell(made)
    if missing_volumes([verdict for _, verdict in made]):
        raise CommandError("the debtor's invoices changed in between: make the volumes again")
    if wrong := [one for _, verdict in made for one in verdict.wrong]:
        raise CommandError(f"this is not what was signed: {wrong[0]}; make it again")


def _tell(made: Sequence[tuple[Path, Verdict]]) -> None:
    """What was made, and what whoever hands it over should know."""
    for file, verdict in made:
        size = file.stat().st_size
        console.print(f"{file}: {len(verdict.files)} files, {size:,} bytes", **_PLAIN)
    about = [verdict.about for _, verdict in made]
    if missing := sum(len(each["missing"]) for each in about):
        errors.print(f"{missing} things could not be opened; manifest.json names them", **_PLAIN)
    if revoked := sum(each["links"]["revoked"] for each in about):
        console.print(f"{revoked} links to the debtor's page were revoked", **_PLAIN)
    if live := {one for each in about for one in each["links"]["live_of_messages"]}:
        errors.print(
            f"{len(live)} messages carry a link by which whoever holds the archive can answer in "
            "the debtor's name; --revoke-links ends them",
            **_PLAIN,
        )


def _verify(files: Sequence[Path], key: Path | None) -> None:
    public = None if key is None else read_file(key)
    verdicts = []
    for file in files:
        verdict = _checked(file, public)
        verdicts.append(verdict)
        _say(file, verdict, own_key=key is None)
    missing = missing_volumes(verdicts)
    for each in missing:
        errors.print(each, **_PLAIN)
    if missing or any(verdict.wrong for verdict in verdicts):
        raise typer.Exit(1)


def _say(file: Path, verdict: Verdict, *, own_key: bool) -> None:
    about = verdict.about
    volume = f", volume {about['volume']} of {total}" if (total := _volumes(verdict)) > 1 else ""
    console.print(
        f"{file}: about debtor {about.get('debtor_id')} of {about.get('tenant')}{volume}, made "
        f"{verdict.manifest.get('made_at')} for {verdict.manifest.get('made_for')}",
        **_PLAIN,
    )
    changed = {wrong.partition(" ")[0] for wrong in verdict.wrong}
    for each in verdict.files:
        if str(each["path"]).startswith("messages/"):
            at = str(each["happened_at"] or "")[:19].replace("T", " ")
            state = "WRONG" if each["path"] in changed else "ok"
            console.print(f"  {state:5}  {at}  {each['number']:04d}  {each['says']}", **_PLAIN)
    for wrong in verdict.wrong:
        errors.print(f"  WRONG  {wrong}", **_PLAIN)
    if verdict.wrong:
        console.print(f"{file}: this is not the archive that was signed", **_PLAIN)
        return
    console.print(
        f"{file}: all {len(verdict.files)} files are those that were signed, and there is no other",
        **_PLAIN,
    )
    fingerprint = fingerprint_of(verdict.key)
    if own_key:
        console.print(
            f"Checked with the key inside. Compare it with the one that the creditor publishes, or "
            f"give that with --key: SHA-256 {fingerprint}",
            **_PLAIN,
        )
    else:
        console.print(f"Signed with the key that was given: SHA-256 {fingerprint}", **_PLAIN)


def _print_key(data: Path, tenant: str) -> None:
    async def read(client: Client) -> dict[str, Any]:
        found: dict[str, Any] = await client.get("notifier", "/v1/evidence/key")
        return found

    found = ask(data, tenant, read)
    sys.stdout.write(found["public_key"])
    sys.stdout.flush()
    errors.print(f"SHA-256 {found['sha256']}", **_PLAIN)


def _checked(file: Path, key: bytes | None) -> Verdict:
    try:
        if key is not None:
            fingerprint_of(key)
        with file.open("rb") as archive:
            return check(archive, is_signed, key=key)
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}") from error
    except NoArchiveError as error:
        raise CommandError(f"{file} is no archive of evidence: {error}") from error
    except EvidenceKeyError as error:
        raise CommandError(f"--key: {error}; give the creditor's Ed25519 public key") from error


def _volumes(verdict: Verdict) -> int:
    return len(verdict.about.get("volumes", ())) or 1


def _kept(target: Path) -> tuple[Path, Verdict]:
    """An archive that arrived; a volume of several gets a name of its own."""
    verdict = _checked(target, None)
    if (total := _volumes(verdict)) == 1:
        return target, verdict
    name = f"{target.stem}-{verdict.about['volume']}-of-{total}"
    return target.replace(target.with_stem(name)), verdict


_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
