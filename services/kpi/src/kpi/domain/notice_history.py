"""What one notice, and one debtor's unallocated cash, add to the aggregates."""

from __future__ import annotations

from dataclasses import dataclass

from kpi.domain.facts import CashFact, MessageFact, NoticeFact, Outcome, Tenant
from kpi.domain.tally import CASH, NOTICES, Tally

_SENT = frozenset({Outcome.SENT, Outcome.DELIVERED, Outcome.BOUNCED})
# What a message is in the end: the first of these that was said of it. Whatever was unknown and
# became known is counted as what it became.
_FINAL = (
    Outcome.BOUNCED,
    Outcome.DELIVERED,
    Outcome.SENT,
    Outcome.FAILED,
    Outcome.SUPPRESSED,
    Outcome.RETURNED,
    Outcome.UNKNOWN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeHistory:
    """All facts about one notice and its messages, in any order."""

    notice: NoticeFact | None = None
    messages: tuple[MessageFact, ...] = ()

    def plus(self, other: NoticeHistory) -> NoticeHistory:
        """Both histories as one; what was known first stays."""
        return NoticeHistory(
            notice=self.notice or other.notice,
            messages=tuple(
                {(m.message_id, m.outcome): m for m in other.messages + self.messages}.values()
            ),
        )


def tally_notice(into: Tally, history: NoticeHistory, tenant: Tenant, *, sign: int = 1) -> None:
    """Add one message each under the notice's day and currency, or take them away with sign -1.

    Until the notice itself is known (it comes on another topic) nothing is added.
    """
    notice = history.notice
    if notice is None:
        return
    day = tenant.day_of(notice.decided_at)
    said: dict[tuple[str, int, str, str], set[Outcome]] = {}
    for message in history.messages:
        key = (str(message.message_id), message.level_no, message.level, message.channel)
        said.setdefault(key, set()).add(message.outcome)
    for (_, level_no, level, channel), outcomes in said.items():
        place = (tenant.tenant, notice.currency, day, level_no, level, channel)
        into.add(NOTICES, place, _counts(outcomes), sign=sign)


def _counts(outcomes: set[Outcome]) -> tuple[int, ...]:
    """In the order of the measure; `sent` includes what was delivered or bounced later."""
    final = next(outcome for outcome in _FINAL if outcome in outcomes)
    return (
        1,
        int(final in _SENT),
        int(final is Outcome.DELIVERED),
        int(final is Outcome.BOUNCED),
        int(final is Outcome.FAILED),
        int(final is Outcome.UNKNOWN),
        int(final is Outcome.SUPPRESSED),
        int(final is Outcome.RETURNED),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CashHistory:
    """All facts about a debtor's unallocated cash in one currency, in any order."""

    facts: tuple[CashFact, ...] = ()

    def plus(self, other: CashHistory) -> CashHistory:
        """Both histories as one; what was known first stays."""
        return CashHistory(
            facts=tuple({fact.sequence: fact for fact in other.facts + self.facts}.values())
        )


def tally_cash(into: Tally, history: CashHistory, tenant: Tenant, *, sign: int = 1) -> None:
    """Add each change under its business day, or take it away with sign -1."""
    known_minor = 0
    for fact in sorted(history.facts, key=lambda fact: fact.sequence):
        change_minor = fact.unallocated_minor - known_minor
        known_minor = fact.unallocated_minor
        key = (tenant.tenant, fact.currency, fact.effective_on)
        into.add(CASH, key, (change_minor,), sign=sign)
