"""Only our own, unexpired tokens count, for their own tenant and scopes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from dunning_common import problems
from dunning_common.auth import (
    COOKIE,
    SCOPES,
    Principal,
    Verifier,
    make_key_pair,
    mint,
    require,
    tenant_of,
)
from dunning_common.problems import ProblemError

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Keys:
    private: Path
    jwks: Path

    @property
    def verifier(self) -> Verifier:
        return Verifier.from_file(self.jwks)

    def token(self, **changes: Any) -> str:
        wanted: dict[str, Any] = {
            "subject": "erp", "tenant": "acme", "scopes": frozenset({"ledger:write"}),
            "now": NOW, "lifetime": timedelta(hours=1),
        }  # fmt: skip
        return mint(self.private, **(wanted | changes))

    def signed(self, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token with claims of our choosing, signed by the right key; None takes a claim out."""
        claims = jwt.decode(self.token(), options={"verify_signature": False}) | changes
        key = serialization.load_pem_private_key(self.private.read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            key,
            algorithm="EdDSA",
            headers={"kid": "1"} | (headers or {}),
        )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    make_key_pair(folder / "key.pem", folder / "jwks.json")
    return Keys(folder / "key.pem", folder / "jwks.json")


def refused(keys: Keys, token: str) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        keys.verifier.principal(token)
    return caught.value


def test_a_token_of_ours_says_who_is_calling(keys: Keys) -> None:
    principal = keys.verifier.principal(keys.token())

    assert principal == Principal(subject="erp", tenant="acme", scopes=frozenset({"ledger:write"}))


def test_the_private_key_is_for_its_owner_only(keys: Keys) -> None:
    assert keys.private.stat().st_mode & 0o077 == 0


def test_the_public_file_holds_no_private_part(keys: Keys) -> None:
    (key,) = json.loads(keys.jwks.read_text())["keys"]

    assert "d" not in key


def test_an_expired_token_is_refused(keys: Keys) -> None:
    token = keys.token(now=NOW - timedelta(hours=2))

    assert refused(keys, token).status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody-else"}, {"iss": "somebody-else"}, {"exp": None}, {"sub": None},
        {"aud": None}, {"iss": None}, {"tenant": None}, {"scope": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_for_somebody_else_or_without_a_claim_is_refused(
    keys: Keys, changes: dict[str, Any]
) -> None:
    assert keys.verifier.principal(keys.signed())
    assert refused(keys, keys.signed(**changes)).status == 401


@pytest.mark.parametrize("headers", [{"kid": "2"}, {"kid": "../1"}, {"kid": ""}], ids=str)
def test_a_key_that_we_do_not_know_is_refused(keys: Keys, headers: dict[str, Any]) -> None:
    assert refused(keys, keys.signed(headers)).status == 401


def test_a_key_inside_the_token_counts_for_nothing(keys: Keys) -> None:
    forged = Ed25519PrivateKey.generate()
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(forged.public_key()))
    claims = jwt.decode(keys.token(), options={"verify_signature": False})

    token = jwt.encode(claims, forged, algorithm="EdDSA", headers={"kid": "1", "jwk": jwk})

    assert refused(keys, token).status == 401


def test_an_unsigned_token_is_refused(keys: Keys) -> None:
    claims = jwt.decode(keys.token(), options={"verify_signature": False})

    token = jwt.encode(claims, None, algorithm="none", headers={"kid": "1"})

    assert refused(keys, token).status == 401


def test_a_token_signed_with_the_public_key_as_secret_is_refused(keys: Keys) -> None:
    claims = jwt.decode(keys.token(), options={"verify_signature": False})
    (public,) = json.loads(keys.jwks.read_text())["keys"]

    token = jwt.encode(claims, public["x"], algorithm="HS256", headers={"kid": "1"})

    assert refused(keys, token).status == 401


def test_a_token_whose_claims_were_changed_is_refused(keys: Keys) -> None:
    header, _, signature = keys.token().split(".")
    _, claims, _ = keys.signed(tenant="other").split(".")

    assert refused(keys, f"{header}.{claims}.{signature}").status == 401


@given(st.one_of(st.text(max_size=80), st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]*", fullmatch=True)))
def test_garbage_is_refused_politely(keys: Keys, token: str) -> None:
    assert refused(keys, token).status == 401


def test_a_scope_that_does_not_exist_cannot_be_minted(keys: Keys) -> None:
    with pytest.raises(ValueError, match="ledger:wirte"):
        keys.token(scopes=frozenset({"ledger:wirte"}))


def test_a_principal_acts_for_its_own_tenant_only() -> None:
    caller = Principal(subject="erp", tenant="acme", scopes=SCOPES)

    assert tenant_of(caller, None) == tenant_of(caller, "") == tenant_of(caller, "acme") == "acme"
    assert caller.acts_for("acme")
    assert not caller.acts_for("other")
    with pytest.raises(ProblemError) as caught:
        tenant_of(caller, "other")
    assert caught.value.status == 403


def test_a_principal_for_all_tenants_must_name_one() -> None:
    caller = Principal(subject="staff", tenant="*", scopes=SCOPES)

    assert tenant_of(caller, "acme") == "acme"
    assert caller.acts_for("anybody")
    with pytest.raises(ProblemError) as caught:
        tenant_of(caller, None)
    assert caught.value.status == 400


@pytest.fixture
def client(keys: Keys) -> httpx.AsyncClient:
    app = FastAPI()
    app.state.verifier = keys.verifier
    problems.install(app)

    @app.get("/books")
    def books(
        request: Request, caller: Principal = Depends(require("ledger:write"))
    ) -> dict[str, str]:
        return {"tenant": tenant_of(caller, request.headers.get("x-tenant"))}

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


async def test_a_route_is_open_to_the_right_token(keys: Keys, client: httpx.AsyncClient) -> None:
    answer = await client.get("/books", headers={"authorization": f"Bearer {keys.token()}"})

    assert answer.json() == {"tenant": "acme"}


async def test_a_page_may_bring_its_token_as_a_cookie(
    keys: Keys, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/books", headers={"cookie": f"{COOKIE}={keys.token()}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a b c", "ü"])
async def test_a_route_without_a_proper_token_answers_401(
    client: httpx.AsyncClient, header: str
) -> None:
    answer = await client.get("/books", headers={"authorization": header.encode("latin-1")})

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_token_without_the_scope_answers_403(keys: Keys, client: httpx.AsyncClient) -> None:
    token = keys.token(scopes=frozenset({"ledger:read"}))

    answer = await client.get("/books", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 403
    assert "ledger:write" in answer.json()["title"]
