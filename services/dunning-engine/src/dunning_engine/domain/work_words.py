"""Causes of work items in plain English, and what to do next. Words only, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from dunning_engine.domain.failure_words import what_failed, what_helps
from dunning_engine.domain.work_item import WorkKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why an item is on the list: a code with what belongs to it.

    `held_by` is who placed the hold that stands in the way, `ends_on` when that ends by itself or
    by when somebody had to act. `detail` is a text of ours, never of a debtor.
    """

    code: str
    level: str | None = None
    level_no: int | None = None
    policy_id: str | None = None
    held_by: str | None = None
    ends_on: date | None = None
    detail: str | None = None


NEXT_STEPS: Mapping[WorkKind, str] = {
    "approval": "Look at what would be sent, then approve or reject it.",
    "broken_promise": "Call the debtor: agree on a new day or let the reminders go on.",
    "broken_plan": "Call the debtor: agree on a new plan or let the reminders go on.",
    "undeliverable": "Find an address that works and store it with the debtor.",
    "delayed": "Mend it; it is tried again every working day, and at once when you retry it.",
    "dispute_overdue": "Decide the dispute: accept it, accept a part, or reject it.",
    "hand_over": "Give the case to the agency, then mark it as done.",
    "court_file": "File the claim with the court, then mark it as done.",
    "write_off": "Write the rest off in the ledger, or mark it as done to keep the claim.",
    "missing_rate": "Add the missing half-year to the rate files; `dunning rates check` names it.",
    "policy_missing": "Store the policy, or name another one on the invoice or the debtor.",
    "no_permitted_day": "Correct the policy's calendar: it leaves no day for this debtor.",
    "silent_overdue": "Check whether this should still be quiet; release the hold or call.",
    "stale_feed": "Send the newest payments, and say until when they are complete.",
    "unmatched_receipt": "Allocate the receipt to invoices, or refund it.",
    "response": "Read what the debtor said, answer it, then mark it as done.",
}
_STEPS_BY_CODE: Mapping[str, str] = {
    "below_minimum": "Decide: call, bundle it with the next invoice, or write it off.",
    "not_applicable": "Check the policy's conditions; nothing goes out while they do not hold.",
    "exhausted": "Decide how it goes on: the ladder has no further level.",
    "facts_missing": "Send the debtor's terms, or register the tenant.",
    "undecidable": "Report it: deciding about this debtor fails.",
    "notifier_silent": "Check the notifier: nothing is heard of the notice on its way.",
    "disputed": "Decide the dispute: accept it, accept a part, or reject it.",
    "plan_needs_approval": "Agree to the plan with an approval, or propose another.",
    "plan_refused": "Propose another plan, one that the rules accept.",
    "claim_without_payment": "Look for the payment; ask the debtor for the bank's proof.",
    "claimed_before": "Look for the payment; ask the debtor for the bank's proof.",
    "promised_before": "Call the debtor: keep the promise or plan that there is, or change it.",
    "unknown": "Check which debtor or invoice is meant; send it if the ledger has it.",
}
_SENTENCES: Mapping[str, str] = {
    "awaiting_approval": "The policy wants a person to approve the level first",
    "broken": "The word was not kept",
    "partly_kept": "Only a part of what was promised came",
    "no_address": "There is no address for any of the level's channels",
    "undeliverable": "No channel got through",
    "dispute_overdue": "The dispute was to be decided",
    "agency": "The ladder ended with a hand-over to an agency",
    "court_file": "The ladder ended with a file for the court",
    "write_off": "The ladder ended with the proposal to write the rest off",
    "missing_rate": "A reference rate for the interest is missing",
    "policy_missing": "The policy is not known here",
    "no_permitted_day": "The policy's calendar permits no day",
    "stale_feed": "The payments are not known far enough, so invoices may be paid already",
    "unmatched_receipt": "Money of the debtor that covers no invoice yet would cover this",
    "below_minimum": "Less is owed than the level's minimum",
    "not_applicable": "The level's conditions do not hold",
    "exhausted": "The ladder has no further level",
    "facts_missing": "Too little is known of the tenant or the debtor to decide",
    "undecidable": "Deciding about the debtor fails and is tried again",
    "notifier_silent": "Nothing was heard of the notice on its way for a day or more",
    "bounced": "What was sent came back",
    "address_bounced": "What was sent to the address before came back",
    "opted_out": "The debtor wants no messages by the level's channels, or never agreed to them",
    "reply": "The debtor wrote",
    "disputed": "The debtor disputes it",
    "plan_needs_approval": "The debtor asks for a plan that needs approval",
    "plan_refused": "The debtor asks for a plan that the rules refuse",
    "claim_without_payment": "The debtor says that it paid, and nothing came",
    "claimed_before": "The debtor says again that it paid, and nothing came",
    "promised_before": "The debtor promises what a promise or a plan covers already",
    "not_as_asked": "What the debtor asks for cannot be done as it is",
    "unknown": "The debtor answered about something that is not known here",
}
_HOLDS: Mapping[str, str] = {
    "manual": "a hold",
    "dispute": "a dispute",
    "promise": "a promise to pay",
    "plan": "a payment plan",
    "pending_collection": "a collection that is under way",
    "insolvency": "an insolvency",
    "breathing_space": "a breathing space",
}


def words_of(cause: Cause) -> str:
    """The cause in one sentence."""
    said = _SENTENCES.get(cause.code)
    if said is None and cause.code in _HOLDS:
        by = f", placed by {cause.held_by}" if cause.held_by else ""
        end = f", until {cause.ends_on}" if cause.ends_on else ", without an end"
        return f"Held by {_HOLDS[cause.code]}{by}{end}."
    if said is None:
        said = f"It did not get through: {what_failed(cause.code)}"
    if cause.code == "dispute_overdue" and cause.ends_on:
        said += f" by {cause.ends_on}"
    if cause.level:
        said += f" (level {cause.level_no}, {cause.level})"
    if cause.policy_id:
        said += f" (policy {cause.policy_id})"
    if cause.detail:
        said += f": {cause.detail}"
    return f"{said}."


def next_step(kind: WorkKind, cause: Cause) -> str:
    """What to do about it."""
    if kind == "delayed":
        return " ".join(filter(None, (what_helps(cause.code), NEXT_STEPS[kind])))
    if (
        kind == "undeliverable"
        and cause.code not in _SENTENCES
        and (said := what_helps(cause.code))
    ):
        return said
    return _STEPS_BY_CODE.get(cause.code, NEXT_STEPS[kind])
