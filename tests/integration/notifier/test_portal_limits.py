"""How often the page may be opened, counted for all processes, and what is thrown away in time."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import driver
from notifier.adapters.sql_portal import SqlLinks
from notifier.adapters.sql_visits import SqlVisits
from notifier.entrypoints.portal import Limits
from notifier.handlers.purge_portal import KEPT_DAYS, SETS_MOST, PortalPurge
from notifier.portal.link import Link, new_token, token_hash
from notifier.portal.throttle import Asked, Rate, Throttle
from notifier.ports.portal import NewLink
from tests.integration.notifier.conftest import TENANT, Postman

RATE = Rate(burst=5, per_minute=0.001)


def asked(name: bytes, rate: Rate = RATE) -> Asked:
    return Asked(name=name.ljust(32, b"."), rate=rate)


async def admit(postman: Postman, *who: Asked) -> bool:
    async with postman.db.worker() as connection:
        return await SqlVisits().admit(connection, who)


async def sql(postman: Postman, statement: str) -> None:
    async with postman.db.worker() as connection:
        await (await driver(connection)).execute(statement)


@pytest.mark.parametrize(
    ("lines", "other", "is_one"),
    [
        (["10.1.1.1"], ["10.1.1.1"], True),
        (["10.1.1.1"], ["10.1.1.2"], False),
        (["10.1.1.1"], ["10.9.9.9, 10.1.1.1"], True),  # a proxy that appends to the line
        (["10.1.1.1"], ["10.9.9.9", "10.1.1.1"], True),  # and one that adds a line
        (["10.9.9.9", "10.1.1.1"], ["10.9.9.9", "10.1.1.2"], False),
        (["2001:db8:0:1::1"], ["2001:db8:0:1:ffff::2"], True),
        (["2001:db8:0:1::1"], ["2001:db8:0:2::1"], False),
        (["::ffff:10.1.1.1"], ["10.1.1.1"], True),
        (["::ffff:10.1.1.1"], ["::ffff:10.1.1.2"], False),
        (["unknown"], ["_hidden"], False),
        ([], [" , "], True),  # nobody wrote it: whoever connected stands for all of them
        ([], ["10.0.0.1"], True),
        ([], ["10.1.1.1"], False),
    ],
)
def test_a_visitor_is_known_by_what_our_proxy_saw_and_by_the_network_of_ipv6(
    lines: list[str], other: list[str], *, is_one: bool
) -> None:
    limits = Limits(of_link=Throttle(RATE), of_address=Throttle(RATE), proxies=1)

    def who(lines: list[str]) -> Asked:
        headers = [(b"x-forwarded-for", line.encode()) for line in lines]
        request = Request({"type": "http", "headers": headers, "client": ("10.0.0.1", 1)})
        return limits.asked(request, "no token")[0]

    assert (who(lines) == who(other)) == is_one


async def test_visits_at_the_same_time_from_many_processes_never_pass_one_limit(
    postman: Postman,
) -> None:
    # Each pair comes in another order: sorted rows keep them from waiting for each other crosswise.
    pairs = [(asked(b"link"), asked(b"address")), (asked(b"address"), asked(b"link"))] * 10

    passed = await asyncio.gather(*(admit(postman, *pair) for pair in pairs))

    assert sum(passed) == RATE.burst


async def test_one_name_that_asked_too_often_does_not_hold_up_another(postman: Postman) -> None:
    for _ in range(RATE.burst):
        assert await admit(postman, asked(b"a"))

    assert not await admit(postman, asked(b"a"))
    assert not await admit(postman, asked(b"a"), asked(b"b"))
    assert await admit(postman, asked(b"b"))


async def test_a_bucket_fills_again_by_the_time_that_passes_and_not_above_its_brim(
    postman: Postman,
) -> None:
    for _ in range(RATE.burst):
        await admit(postman, asked(b"a"))
    await sql(
        postman,
        f"UPDATE portal_visit SET full_at = full_at - interval '{2 * RATE.step_s} seconds'",
    )
    assert [await admit(postman, asked(b"a")) for _ in range(3)] == [True, True, False]

    await sql(postman, "UPDATE portal_visit SET full_at = now() - interval '10 years'")
    assert [await admit(postman, asked(b"a")) for _ in range(RATE.burst + 1)] == [
        *([True] * RATE.burst),
        False,
    ]


async def test_counts_long_past_go_in_small_sets_and_only_so_many_in_a_turn(
    postman: Postman,
) -> None:
    many = 2 * SETS_MOST + 3
    await sql(
        postman,
        "INSERT INTO portal_visit (name, full_at, span) SELECT sha256(n::text::bytea),"
        f" now() - interval '1 s', '1 s' FROM generate_series(1, {many}) AS n",
    )
    purge = PortalPurge(db=postman.db, links=SqlLinks(), visits=SqlVisits(), set_size=2)

    async def left() -> int:
        async with postman.db.worker() as connection:
            raw = await driver(connection)
            return int(await raw.fetchval("SELECT count(*) FROM portal_visit"))

    counted = [await left()]
    for _ in range(2):
        await purge.purge()
        counted.append(await left())

    assert counted == [many, 3, 0]


async def test_counts_are_gone_even_when_links_cannot_be_thrown_away(postman: Postman) -> None:
    class NoLinks(SqlLinks):
        async def purge(self, connection: AsyncConnection, *, kept_days: int, limit: int) -> int:
            raise ConnectionError

    await admit(postman, asked(b"old"))
    await sql(postman, "UPDATE portal_visit SET full_at = now() - interval '1 s'")

    with pytest.raises(ConnectionError):
        await PortalPurge(db=postman.db, links=NoLinks(), visits=SqlVisits()).purge()

    async with postman.db.worker() as connection:
        assert await SqlVisits().forget(connection, limit=10) == 0


async def test_links_long_expired_and_counts_long_past_are_thrown_away_and_no_others(
    postman: Postman,
) -> None:
    await postman.know("d1")
    links = [
        NewLink(
            link=Link(tenant=TENANT, link_id=UUID(int=n), debtor_id="d1", invoice_ids=None),
            token_hash=token_hash(new_token()),
            made_by="test",
            days=30,
        )
        for n in range(3)
    ]
    async with postman.db.worker() as connection:
        await SqlLinks().keep(connection, links)
    expired = f"UPDATE portal_link SET expires_at = now() - interval '{KEPT_DAYS} days'"
    await sql(postman, f"{expired} - interval '1 minute' WHERE link_id = '{UUID(int=1)}'")
    await sql(postman, f"{expired} + interval '1 minute' WHERE link_id = '{UUID(int=2)}'")
    await admit(postman, asked(b"old"), asked(b"new"))
    await sql(
        postman, "UPDATE portal_visit SET full_at = now() - interval '1 s' WHERE name < 'oh'::bytea"
    )

    purge = PortalPurge(db=postman.db, links=SqlLinks(), visits=SqlVisits())
    counted = [await purge.purge(), await purge.purge()]

    async with postman.db.worker() as connection:
        raw = await driver(connection)
        left = [row["link_id"].int for row in await raw.fetch("SELECT link_id FROM portal_link")]
        visits = [bytes(row["name"]) for row in await raw.fetch("SELECT name FROM portal_visit")]
    assert counted == [1, 0]
    assert sorted(left) == [0, 2]
    assert visits == [asked(b"old").name]
