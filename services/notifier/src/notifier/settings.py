"""The notifier's settings: environment variables `NOTIFIER_…`, read once."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from notifier.carrier_settings import CarrierSettings


class Settings(CarrierSettings):
    """Where messages go, and how long a send may take.

    `lease_s` is how long a message may be on the wire, and how long its permit makes a payment wait
    at worst after a crash; a send may take `max_send_s` of it. Both must suit the slowest provider:
    a mail relay that scans before it answers needs more than one on the same machine.

    `portal_url` is how debtors reach their page, where that is not `public_url`; behind so many
    `portal_proxies` of ours that write `X-Forwarded-For`, an address may ask for
    `portal_requests_a_minute`.
    """

    model_config = SettingsConfigDict(
        env_prefix="NOTIFIER_", frozen=True, env_nested_delimiter="__", extra="ignore"
    )

    http_port: int = 8030

    lease_s: float = Field(default=5.0, gt=0)
    max_send_s: float = Field(default=3.0, gt=0)
    margin_s: float = Field(default=0.5, ge=0)
    batch_size: int = Field(default=100, ge=1, le=1000)
    parallel_sends: int = Field(default=25, ge=1, le=500)
    senders: int = Field(default=2, ge=1, le=16)
    writer_threads: int = Field(default=2, ge=1, le=32)
    retry_base_s: float = Field(default=1.0, gt=0)
    retry_cap_s: float = Field(default=60.0, gt=0)
    give_up_after_s: float = Field(default=4 * 3600.0, gt=0)

    email_via: Literal["smtp", "sendgrid"] = "smtp"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    smtp_tls: Literal["none", "starttls", "implicit"] = "none"
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_verify_certificates: bool = True
    smtp_local_hostname: str | None = None

    sendgrid_url: str = "https://api.sendgrid.com"
    sendgrid_api_key: SecretStr | None = None
    sendgrid_webhook_key: str | None = None
    sendgrid_webhook_keys: dict[str, str] = Field(default_factory=dict)
    webhook_max_age_s: float = 7 * 86_400.0
    sendgrid_parse_key: str | None = None
    sendgrid_parse_keys: dict[str, str] = Field(default_factory=dict)
    inbound_secret: SecretStr | None = None
    inbound_secrets: dict[str, SecretStr] = Field(default_factory=dict)

    twilio_url: str = "https://api.twilio.com"
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_auth_tokens: dict[str, SecretStr] = Field(default_factory=dict)
    twilio_from: str = ""

    spool_folder: Path

    evidence_key_file: Path | None = None
    evidence_timeout_s: float = Field(default=60.0, gt=0)

    portal_url: str | None = None
    portal_proxies: int = Field(default=0, ge=0, le=10)
    portal_requests_a_minute: int = Field(default=240, ge=1)
    letter_windows: dict[str, str] = Field(default_factory=dict)
    letter_fonts: tuple[Path, ...] = ()

    cost_currency: str = "EUR"
    email_cost_minor: int = 0
    sms_segment_cost_minor: int = 8
    letter_cost_minor: int = 150
    registered_letter_cost_minor: int = 600

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if self.max_send_s + self.margin_s >= self.lease_s:
            raise ValueError(
                "max_send_s + margin_s must be less than lease_s: raise NOTIFIER_LEASE_S or lower "
                "NOTIFIER_MAX_SEND_S"
            )
        if self.email_via == "sendgrid" and self.sendgrid_api_key is None:
            raise ValueError("email_via is sendgrid: set NOTIFIER_SENDGRID_API_KEY")
        if self.smtp_username and self.smtp_tls == "none" and not _is_this_machine(self.smtp_host):
            raise ValueError(
                "smtp_username is set and smtp_tls is none: the password would go over the network "
                "in clear; set NOTIFIER_SMTP_TLS to starttls (port 587) or implicit (port 465)"
            )
        if (self.twilio_account_sid is None) != (self.twilio_auth_token is None):
            raise ValueError(
                "set both NOTIFIER_TWILIO_ACCOUNT_SID and NOTIFIER_TWILIO_AUTH_TOKEN, or neither"
            )
        return self

    def sendgrid_key_of(self, tenant: str) -> str | None:
        """The key that verifies SendGrid's events of a tenant: its own, or the common one."""
        return self.sendgrid_webhook_keys.get(tenant, self.sendgrid_webhook_key)

    def twilio_token_of(self, tenant: str) -> SecretStr | None:
        """The token that verifies Twilio's callbacks of a tenant: its own, or the common one."""
        return self.twilio_auth_tokens.get(tenant, self.twilio_auth_token)

    def parse_key_of(self, tenant: str) -> str | None:
        """The key that verifies a tenant's Inbound Parse: its own, or the common one."""
        return self.sendgrid_parse_keys.get(tenant, self.sendgrid_parse_key)

    def inbound_secret_of(self, tenant: str) -> SecretStr | None:
        """What a tenant's inbound mail proves itself with: its own secret, or the common one."""
        return self.inbound_secrets.get(tenant, self.inbound_secret)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in ("localhost", "ip6-localhost")
