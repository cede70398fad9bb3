"""Who is calling: EdDSA-signed JWTs with a tenant and scopes.

Only the keys of the configured JWKS count; `alg` is fixed, key hints inside a token are ignored.
Minting is for the command line and the launchers; services only verify.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Request

from dunning_common.ids import new_id
from dunning_common.problems import ProblemError

AUDIENCE = "dunning"
ISSUER = "dunning"
ANY_TENANT = "*"
COOKIE = "dunning_token"

SCOPES = frozenset(
    {
        "tenants:read",
        "tenants:write",
        "ledger:read",
        "ledger:write",
        "dunning:read",
        "dunning:write",
        "dunning:approve",
        "audit:read",
        "policies:write",
        "clock:write",
        "notices:read",
        "notices:write",
        "kpi:read",
        "internal",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller: `tenant` is one tenant's id, or `*` for platform staff and services."""

    subject: str
    tenant: str
    scopes: frozenset[str]

    def acts_for(self, tenant: str) -> bool:
        """Whether the caller may touch this tenant's data."""
        return self.tenant in (ANY_TENANT, tenant)


def mint(
    private_key_file: Path,
    *,
    subject: str,
    tenant: str,
    scopes: frozenset[str],
    now: datetime,
    lifetime: timedelta,
) -> str:
    """Sign a token.

    Raises:
        ValueError: an unknown scope.
    """
    unknown = scopes - SCOPES
    if unknown:
        raise ValueError(f"unknown scopes {sorted(unknown)}; known are {sorted(SCOPES)}")
    key = serialization.load_pem_private_key(private_key_file.read_bytes(), password=None)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "tenant": tenant,
        "scope": " ".join(sorted(scopes)),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        "jti": str(new_id()),
    }
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "1"})  # type: ignore[arg-type]


def make_key_pair(private_key_file: Path, jwks_file: Path) -> None:
    """Write a new Ed25519 key pair: PEM (mode 600) and JWKS."""
    key = Ed25519PrivateKey.generate()
    private_key_file.touch(mode=0o600)
    private_key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    jwks_file.write_text(json.dumps({"keys": [jwk | {"kid": "1", "use": "sig", "alg": "EdDSA"}]}))


class Verifier:
    """Checks tokens against the public keys of a JWKS file."""

    def __init__(self, jwks: dict[str, Any]) -> None:
        self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(jwks).keys}

    @classmethod
    def from_file(cls, jwks_file: Path) -> Verifier:
        """Read the public keys once, at start-up."""
        return cls(json.loads(jwks_file.read_text()))

    def principal(self, token: str) -> Principal:
        """The caller that a token stands for.

        Raises:
            ProblemError: 401, the token is missing, malformed, expired or not signed by us.
        """
        try:
            kid = str(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                self._keys[kid],
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            tenant = claims["tenant"]
            scopes = frozenset(str(claims["scope"]).split())
        except (jwt.PyJWTError, KeyError) as error:
            raise ProblemError(
                401,
                "invalid-token",
                "The token is missing, expired or not valid here.",
                detail="Send Authorization: Bearer <token>; make one with `dunning token`.",
            ) from error
        return Principal(subject=claims["sub"], tenant=tenant, scopes=scopes)


def require(scope: str) -> Callable[[Request], Principal]:
    """FastAPI dependency: the caller has `scope`, and acts for the tenant named in the request.

    The verifier is `request.app.state.verifier`. The token comes from the Authorization header, or,
    for pages, from the cookie (same-site strict).
    """

    def dependency(request: Request) -> Principal:
        header = request.headers.get("authorization", "")
        token = header[7:] if header[:7].lower() == "bearer " else request.cookies.get(COOKIE, "")
        verifier: Verifier = request.app.state.verifier
        principal = verifier.principal(token)
        if scope not in principal.scopes:
            raise ProblemError(403, "missing-scope", f"This needs a token with the scope {scope}.")
        return principal

    return dependency


def tenant_of(principal: Principal, requested: str | None) -> str:
    """The tenant a request works on: the token's own, or for `*` tokens the one asked for.

    Args:
        principal: the caller.
        requested: the `X-Tenant` header or `tenant` query parameter, if any.

    Raises:
        ProblemError: 403 for another tenant's id, 400 when a `*` token names none.
    """
    if principal.tenant != ANY_TENANT:
        if requested not in (None, "", principal.tenant):
            raise ProblemError(403, "foreign-tenant", "This token does not act for that tenant.")
        return principal.tenant
    if not requested:
        raise ProblemError(
            400,
            "tenant-missing",
            "Say which tenant: this token acts for all of them.",
            detail="Send the header X-Tenant.",
        )
    return requested
