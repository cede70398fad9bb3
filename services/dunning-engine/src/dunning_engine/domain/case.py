"""One invoice under a policy: what is owed, which levels are done, what is in flight.

The transitions at the end are the only ways in which a case moves; whoever stores cases as rows
must write the same changes.
"""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from dunning_common.values import Value, replace

InvoiceStatus = Literal["open", "paid", "cancelled", "written_off"]
CloseReason = Literal["paid", "cancelled", "written_off", "handed_over"]
LevelOutcome = Literal["served", "lapsed"]
PolicyKey = tuple[str, int]
"""Policy id and version."""


class Served(Value, frozen=True, kw_only=True):
    """A level that is done: `served`, or `lapsed` without a message for a `reason`.

    Reasons: `too_late` (its time passed before it could go out), `not_applicable` (its conditions
    did not hold), `rejected` (a person skipped it).
    `level_no` is its place in the present version of the policy. `on` is the completion day: the
    date in the debtor's zone on which the level was decided. `delivered` says that a provider
    reported the arrival of one of its messages.
    """

    level_no: int
    code: str
    on: date
    outcome: LevelOutcome = "served"
    reason: str | None = None
    delivered: bool = False


class Undelivered(Value, frozen=True, kw_only=True):
    """A try of a level of which nothing arrived, though it had gone out.

    `bounced` are the channels whose address turned out to be dead. With `charged` the level had
    counted as served, and its charges were announced; they stay. New contacts make it `forgiven`:
    its channels may be tried again. `sent` are the channels by which it went out all the same,
    while one that the level needs did not arrive: by those it is not sent a second time.
    """

    level_no: int
    code: str
    bounced: tuple[str, ...] = ()
    charged: bool = False
    forgiven: bool = False
    sent: tuple[str, ...] = ()


class Approval(Value, frozen=True, kw_only=True):
    """What a person said about a level that needs it: let it go out, or skip it."""

    level_no: int
    approved: bool


class InFlight(Value, frozen=True, kw_only=True):
    """A notice that was requested and is not settled yet.

    `revoked` is set once the notifier was told not to send this invoice any more. `laws` are those
    by which the notice charges the invoice; known of consumers only.
    """

    notice_id: UUID
    level_no: int
    attempt: int
    revoked: bool = False
    laws: tuple[str, ...] = ()


class Balance(Value, frozen=True, kw_only=True):
    """Principal owed from `since` on (minor units): the day after the value date of a payment."""

    since: date
    open_minor: int


class Charged(Value, frozen=True, kw_only=True):
    """A charge on the law's account that the ledger booked and of which `open_minor` is still owed.

    `basis` is the law it stands on. `withdrawn`: the ledger was told to give it up.
    """

    charge_id: str
    kind: Literal["interest", "compensation"]
    basis: str
    open_minor: int
    withdrawn: bool = False


class Case(Value, frozen=True, kw_only=True):
    """An invoice and how far its ladder has gone. Amounts are minor units of `currency`.

    `version` is the ledger's version of the invoice.
    `served` are the levels that are done, lapsed ones included.
    `tries` counts every notice ever requested for the case and never goes back, so that each try
    has its own notice id.
    `failures` counts the failed tries of the next level; a change of contacts sets it to 0 (and
    `last_failure_on` to None), a returned notice does not count. `last_failure_on` is a date in
    the debtor's zone, `failure_reason` why the last try failed, such as `no_address`. `excused` of
    the `failures` were not the address's fault (`failure_cause`): they do not use up the attempts.
    `closed` is the closing that was announced; a settled invoice that owes again is reopened.
    `interest_through` is the last day for which interest was charged already,
    `compensation_charged` says that the fixed sum was.
    `balances` is the history of the principal, oldest first; empty means `open_minor` all along.
    `disputed_minor` is the part of the principal that is disputed and not dunned.
    `not_before` is the day before which nothing goes out, because a hold ended a short while ago.
    `approval` is the last word of a person about a level that needs one.
    `undelivered` are the tries that went out and did not arrive, or not by all that they needed.
    `charged` is known of consumers only: what may turn out not to be owed by one.
    """

    invoice_id: str
    number: str
    issued_on: date
    due_on: date
    currency: str
    amount_minor: int
    open_minor: int
    charges_open_minor: int = 0
    version: int
    status: InvoiceStatus = "open"
    policy_id: str
    policy_version: int
    served: tuple[Served, ...] = ()
    in_flight: InFlight | None = None
    tries: int = 0
    failures: int = 0
    last_failure_on: date | None = None
    failure_reason: str | None = None
    closed: CloseReason | None = None
    interest_through: date | None = None
    compensation_charged: bool = False
    balances: tuple[Balance, ...] = ()
    disputed_minor: int = 0
    not_before: date | None = None
    approval: Approval | None = None
    tags: tuple[str, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    excused: int = 0
    charged: tuple[Charged, ...] = ()

    @property
    def due_minor(self) -> int:
        """The principal that reminders may ask for: what is open and not disputed."""
        return max(0, self.open_minor - self.disputed_minor)

    @property
    def policy_key(self) -> PolicyKey:
        """Id and version of the policy that the case is pinned to."""
        return (self.policy_id, self.policy_version)

    @property
    def settled(self) -> CloseReason | None:
        """Why nothing is owed any more, or None. An open invoice that owes 0 counts as paid."""
        if self.status != "open":
            return self.status
        return "paid" if self.open_minor <= 0 else None

    @property
    def level_no(self) -> int:
        """Number of the last level that is done (0: none yet)."""
        return max([done.level_no for done in self.served]) if self.served else 0

    def dead_channels(self, level_no: int) -> frozenset[str]:
        """The channels by which the level cannot arrive, unless the contacts change."""
        return frozenset(
            channel
            for found in self.undelivered
            if found.level_no == level_no and not found.forgiven
            for channel in found.bounced
        )

    def sent_channels(self, level_no: int) -> frozenset[str]:
        """The channels by which the level went out already, though it still lacks another one."""
        return frozenset(
            channel
            for found in self.undelivered
            if found.level_no == level_no
            for channel in found.sent
        )

    def was_charged(self, code: str) -> int:
        """How often the level went out with its charges and did not arrive."""
        return sum(found.charged and found.code == code for found in self.undelivered)

    def requested(self, notice_id: UUID, level_no: int) -> Case:
        """A notice with this invoice was requested."""
        flight = InFlight(notice_id=notice_id, level_no=level_no, attempt=self.tries + 1)
        return replace(self, in_flight=flight, tries=self.tries + 1)

    def completed(self, level_no: int, code: str, on: date) -> Case:
        """The level was served on that day; whatever failed before is forgotten."""
        done = Served(level_no=level_no, code=code, on=on)
        return self._advanced(done)

    def lapsed(self, level_no: int, code: str, on: date, reason: str = "too_late") -> Case:
        """The level ends without a message; it is recorded and not served."""
        return self._advanced(
            Served(level_no=level_no, code=code, on=on, outcome="lapsed", reason=reason)
        )

    def failed(self, on: date, reason: str, *, excused: bool = False) -> Case:
        """No channel of the notice in flight got through; `on` is a date in the debtor's zone.

        `excused`: not for the address's fault.
        """
        return replace(
            self,
            in_flight=None,
            failures=self.failures + 1,
            excused=self.excused + excused,
            last_failure_on=on,
            failure_reason=reason,
        )

    def part_sent(self, level_no: int, code: str, *sent: str) -> Case:
        """The try in flight went out by those channels, and not by one that the level needs."""
        missed = Undelivered(level_no=level_no, code=code, sent=sent)
        return replace(self, undelivered=(*self.undelivered, missed))

    def bounced(
        self, done: Served, reason: str, *channels: str, sent: tuple[str, ...] = ()
    ) -> Case:
        """The last level, which was served, did not arrive after all: it is the next one again.

        `channels` are those whose address is dead, `sent` those by which it arrived all the same.
        """
        missed = Undelivered(
            level_no=done.level_no, code=done.code, bounced=channels, charged=True, sent=sent
        )
        return replace(
            self,
            served=tuple(other for other in self.served if other is not done),
            undelivered=(*self.undelivered, missed),
            failures=1,
            excused=0,
            last_failure_on=done.on,
            failure_reason=reason,
        )

    def returned(self) -> Case:
        """The notice in flight came back unsent (permit refused, revoked): decide again."""
        return replace(self, in_flight=None)

    def revoked(self) -> Case:
        """The notifier was told not to send this invoice any more."""
        return replace(self, in_flight=self.in_flight and replace(self.in_flight, revoked=True))

    def withdrew(self, charge_id: str) -> Case:
        """The ledger was told to give up a charge: the law's charges may be made anew."""
        (found,) = [charge for charge in self.charged if charge.charge_id == charge_id]
        return replace(
            self,
            charged=tuple(
                replace(charge, withdrawn=True) if charge is found else charge
                for charge in self.charged
            ),
            compensation_charged=self.compensation_charged and found.kind != "compensation",
            interest_through=None if found.kind == "interest" else self.interest_through,
        )

    def closed_as(self, reason: CloseReason) -> Case:
        """The closing was announced."""
        return replace(self, closed=reason)

    def reopened(self) -> Case:
        """Owed again after it was closed: the ladder goes on where it stopped."""
        return replace(self, closed=None)

    def contacts_changed(self) -> Case:
        """New addresses: what failed before may be tried again at once."""
        return replace(
            self,
            failures=0,
            excused=0,
            last_failure_on=None,
            failure_reason=None,
            undelivered=tuple(replace(found, forgiven=True) for found in self.undelivered),
        )

    def _advanced(self, done: Served) -> Case:
        return replace(
            self,
            served=(*self.served, done),
            in_flight=None,
            failures=0,
            excused=0,
            last_failure_on=None,
            failure_reason=None,
        )
