"""Settings of those who carry messages: which ways there are, their accounts and their limits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from dunning_common.settings import ServiceSettings

_EUROPE = (
    "AD", "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR",
    "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MC", "MT", "NL", "NO", "PL", "PT", "RO", "SE",
    "SI", "SK", "SM",
)  # fmt: skip


class DkimKeySettings(BaseModel):
    """Where the private key of a sender's domain lies (PEM), and its selector in the DNS."""

    selector: str
    key_file: Path


class CarrierSettings(ServiceSettings):
    """Letters, texts, calls, signatures of e-mails. What is not set is not used.

    `dkim_keys` are by the domain of the tenants' From addresses, for mail that goes over SMTP.

    `letters_via` and `registered_letters_via` say where letters go: into the spool folder, or to
    Pingen. Letters in the spool are bound in batches below `batch_folder`, when it is set, and
    batches uploaded by SFTP, when `sftp_host` is set. Their files, and those of letters that were
    taken back, are deleted `batch_keep_days` after that; 0 keeps them for ever.
    """

    dkim_keys: dict[str, DkimKeySettings] = Field(default_factory=dict)

    letters_via: Literal["spool", "pingen"] = "spool"
    registered_letters_via: Literal["spool", "pingen"] = "spool"

    batch_folder: Path | None = None
    batch_letters_max: int = Field(default=500, ge=1, le=5000)
    batch_after_s: float = Field(default=3600.0, ge=0)
    batch_keep_days: int = Field(default=30, ge=0)

    sftp_host: str | None = None
    sftp_port: int = 22
    sftp_username: str = ""
    sftp_password: SecretStr | None = None
    sftp_key_file: Path | None = None
    sftp_host_key: str = ""
    sftp_folder: str = "."

    pingen_url: str = "https://api.pingen.com"
    pingen_identity_url: str = "https://identity.pingen.com"
    pingen_organisation: str | None = None
    pingen_client_id: str = ""
    pingen_client_secret: SecretStr | None = None
    pingen_product: str = "cheap"
    pingen_registered_product: str = "registered"
    pingen_address_position: Literal["left", "right"] = "left"

    sms_countries: tuple[str, ...] = _EUROPE
    sms_countries_of: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    sms_segments_max: int = Field(default=6, ge=1, le=10)
    sms_daily_cost_max_minor: int = Field(default=500_00, ge=0)
    sms_daily_cost_max_minor_of: dict[str, int] = Field(default_factory=dict)
    sms_per_number_daily: int = Field(default=2, ge=1)

    calls: bool = True
    calls_in_vain_max: int = Field(default=3, ge=1)
    call_pause_s: float = Field(default=86_400.0, ge=0)
    call_give_up_after_s: float = Field(default=14 * 86_400.0, gt=0)
    in_app: bool = True

    @model_validator(mode="after")
    def _accounts_are_whole(self) -> Self:
        if "pingen" in (self.letters_via, self.registered_letters_via) and not (
            self.pingen_organisation and self.pingen_client_id and self.pingen_client_secret
        ):
            raise ValueError(
                "letters go via pingen: set NOTIFIER_PINGEN_ORGANISATION, NOTIFIER_PINGEN_CLIENT_ID"
                " and NOTIFIER_PINGEN_CLIENT_SECRET"
            )
        if self.sftp_host and not (self.sftp_username and self.sftp_host_key and self.batch_folder):
            raise ValueError(
                "sftp_host is set: set NOTIFIER_SFTP_USERNAME, NOTIFIER_SFTP_HOST_KEY and "
                "NOTIFIER_BATCH_FOLDER, too"
            )
        return self

    def sms_cost_max_of(self, tenant: str) -> int:
        """What a tenant may spend on texts in a day, in minor units of the cost currency."""
        return self.sms_daily_cost_max_minor_of.get(tenant, self.sms_daily_cost_max_minor)
