"""Which other channels carry the same notice, as far as can be told when one message is written.

A notice asks for channels; that one is asked for does not mean that it can go: nobody may be told
of a letter that no post could deliver, or that nobody here would print. Pure: a request in, names
out.
"""

from __future__ import annotations

from notifier.content.countries import Countries, UndeliverableError
from notifier.content.model import RenderRequest

LETTERS = frozenset({"letter", "registered_letter"})


def carried_with(request: RenderRequest, countries: Countries) -> frozenset[str]:
    """The channels other than its own by which the notice can go out."""
    others = {m.channel for m in request.notice.messages} - {request.channel}
    if request.ways is not None:
        others &= request.ways
    contacts = request.contacts
    if not any(map(str.strip, contacts.emails)):
        others.discard("email")
    if not any(map(str.strip, contacts.phones)):
        others.discard("sms")
    if others & LETTERS and unaddressed(request, countries):
        others -= LETTERS
    return frozenset(others)


def unaddressed(request: RenderRequest, countries: Countries) -> str:
    """Why no post could deliver to the debtor; empty where one can."""
    try:
        countries.debtor_lines(request, request.contacts.name)
    except UndeliverableError as error:
        return str(error)
    address = request.contacts.address
    is_named = address is not None and any(map(str.strip, address.lines))
    return "" if is_named else "the street is missing"


def unposted(request: RenderRequest, countries: Countries) -> str:
    """Why the notice does not go out on paper too; empty where it does."""
    asked = LETTERS & {message.channel for message in request.notice.messages}
    if not asked:
        return "give the level a letter channel too"
    if request.ways is not None and not asked & request.ways:
        return "no letters are sent from here: configure the channel"
    if why := unaddressed(request, countries):
        return f"no post delivers to the debtor's address, {why}: correct the debtor's contacts"
    return ""
