"""What the doctor says: each finding names the trouble and a remedy; no check takes others down."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.samples import TENANTS
from standalone.catalog import SERVICES
from standalone.checkup import finding, installation, running
from standalone.checkup.finding import Verdict


def test_an_old_python_is_named_with_the_remedy() -> None:
    found = installation.python_version((3, 10, 4))

    assert found.verdict is Verdict.FAILED
    assert "3.10.4" in found.detail
    assert "3.11" in found.remedy


def test_a_wheel_that_cannot_be_imported_is_named() -> None:
    found = installation.wheels(["json", "no_such_wheel_of_ours"])

    assert found.verdict is Verdict.FAILED
    assert "no_such_wheel_of_ours" in found.detail
    assert "make setup" in found.remedy


def test_the_wheels_and_programs_of_this_installation_work() -> None:
    checks = [
        installation.wheels(installation.WHEELS),
        installation.postgres_program(),
        installation.broker_program(),
    ]

    assert [one.verdict for one in checks] == [Verdict.OK] * 3


def test_secrets_that_others_can_read_are_named_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o755)
    (secrets / "signing-key.pem").touch(mode=0o644)

    found = installation.secrets(tmp_path)

    assert found.verdict is Verdict.FAILED
    assert "signing-key.pem" in found.detail
    assert f"chmod 700 {secrets}" in found.remedy


def test_a_data_folder_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    assert installation.data_folder(tmp_path / "new").verdict is Verdict.OK
    assert not (tmp_path / "new").exists()


@given(st.integers(0, 2**45))
def test_little_disk_space_is_a_warning_and_very_little_a_failure(free_bytes: int) -> None:
    found = installation.disk_space(Path("/"), free_bytes)

    expected = (
        Verdict.FAILED
        if free_bytes < installation.FREE_BYTES_MIN
        else Verdict.WARNING
        if free_bytes < installation.FREE_BYTES_GOOD
        else Verdict.OK
    )
    assert found.verdict is expected
    assert bool(found.remedy) == (expected is not Verdict.OK)


def test_a_check_that_breaks_is_a_finding_and_the_next_ones_still_run() -> None:
    def broken() -> finding.Finding:
        raise RuntimeError("oops")

    found = list(finding.run([("a", broken), ("b", lambda: finding.ok("b", "fine"))]))

    assert [(one.check, one.verdict) for one in found] == [("a", Verdict.FAILED), ("b", Verdict.OK)]
    assert "oops" in found[0].detail


def test_the_age_of_the_outbox_is_read_from_the_metrics() -> None:
    metrics = (
        "# HELP dunning_outbox_age_seconds Age of the oldest event not yet published.\n"
        "# TYPE dunning_outbox_age_seconds gauge\n"
        "dunning_outbox_age_seconds 12.5\n"
    )

    assert running.outbox_ages(metrics) == [12.5]
    assert running.outbox_ages("") == []


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_service_has_one_newest_migration(service: object) -> None:
    assert running.head_of(service)


def test_a_creditor_whose_formal_notices_would_fail_is_named_with_the_fields() -> None:
    whole = TENANTS["de"]
    lacking = TENANTS["fr"].model_copy(
        update={"legal": TENANTS["fr"].legal.model_copy(update={"capital": "", "form": "SAS"})}
    )

    found = running.creditors([whole, lacking])

    assert found.verdict is Verdict.WARNING
    assert found.detail == "formal notices will fail without ateliers-durand: legal.capital"
    assert running.creditors([whole]).verdict is Verdict.OK
