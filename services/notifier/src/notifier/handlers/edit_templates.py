"""Editing a tenant's own templates: write a version, put it to use, compare, look, send a trial.

A version is tried on every edge case of the sample data before it is stored; what is stored never
changes. What a text may say is decided in `notifier.content`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dunning_common.db import Database
from dunning_common.events.contacts import Contacts
from dunning_common.events.dunning import Channel
from dunning_common.vault import VaultError, open_contacts
from notifier.content.model import OwnText, Rendered, RenderRequest
from notifier.content.render import Renderer
from notifier.content.sample_places import SampleKind, SamplePlace
from notifier.content.samples import sample_request
from notifier.ports.ledger import Ledger
from notifier.ports.templates import (
    NoticeShelf,
    RealNotice,
    TemplateShelf,
    TemplateUse,
    TemplateVersion,
    TextKey,
)
from notifier.ports.trial import Trial


class NoSuchVersionError(LookupError):
    """There is no such version of the text."""


class NoSuchNoticeError(LookupError):
    """There is no such notice, or it has no message on that channel."""


class DebtorErasedError(LookupError):
    """The debtor's key is gone: nothing about the debtor can be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What to show: a family on a channel in a language; with `draft`, that text unsaved.

    Otherwise `version`, else what is in use. Without a `notice_id` debtor and invoices are made up:
    `invoices` of them, with charges if `charges`, to a debtor of that `kind` in that `place`.
    """

    family: str
    channel: Channel
    language: str
    draft: str | None = None
    version: int | None = None
    notice_id: UUID | None = None
    invoices: int = 2
    charges: bool | None = None
    kind: SampleKind = "business"
    place: SamplePlace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextState:
    """A family in a language: the source in use, its version (None: built-in), and the past."""

    source: str
    version: int | None
    versions: tuple[TemplateVersion, ...]
    uses: tuple[TemplateUse, ...]


class TemplateEditor:
    """Everything people do with templates."""

    def __init__(
        self,
        *,
        db: Database,
        shelf: TemplateShelf,
        notices: NoticeShelf,
        ledger: Ledger,
        renderer: Renderer,
        trial: Trial,
    ) -> None:
        self._db = db
        self._shelf = shelf
        self._notices = notices
        self._ledger = ledger
        self._renderer = renderer
        self._trial = trial

    async def state(self, tenant: str, key: TextKey) -> TextState:
        """The text in use and all versions.

        Raises:
            NoSuchTextError: no such family or language.
        """
        built_in = self._renderer.source_of(*key)
        async with self._db.tenant(tenant) as connection:
            versions = await self._shelf.versions(connection, tenant, key)
            uses = await self._shelf.uses(connection, tenant, key)
        used = uses[0].version if uses else None
        source = next((v.text.source for v in versions if v.text.version == used), built_in)
        return TextState(source=source, version=used, versions=tuple(versions), uses=tuple(uses))

    async def in_use(self, tenant: str) -> dict[TextKey, int]:
        """The tenant's own versions in use, by family and language."""
        async with self._db.tenant(tenant) as connection:
            return dict(await self._shelf.all_in_use(connection, tenant))

    async def save(
        self, tenant: str, key: TextKey, source: str, *, note: str, person: str, use: bool
    ) -> tuple[TemplateVersion, bool]:
        """Store a text as the next version, and put it to use if `use`.

        Saving the newest version's text again changes nothing.

        Returns:
            The version, and whether it is new.

        Raises:
            TemplateError: refused; nothing was stored.
            TrialBusyError: others try too much; nothing was stored.
        """
        self._renderer.source_of(*key)
        draft = OwnText(family=key[0], language=key[1], version=0, source=source)
        await self._trial.check(draft)
        async with self._db.tenant(tenant) as connection:
            await self._shelf.lock(connection, tenant, key)
            versions = await self._shelf.versions(connection, tenant, key)
            is_new = not versions or versions[0].text.source != source
            if is_new:
                number = versions[0].text.version + 1 if versions else 1
                text = replace(draft, version=number)
                await self._shelf.add(connection, tenant, text, note=note, person=person)
                versions = await self._shelf.versions(connection, tenant, key)
            if use:
                await self._put_to_use(connection, tenant, key, versions[0].text.version, person)
        return versions[0], is_new

    async def use(self, tenant: str, key: TextKey, version: int | None, *, person: str) -> None:
        """Put a version to use from the next message on; None: the built-in text again.

        Raises:
            NoSuchTextError: no such family or language.
            NoSuchVersionError: never written.
        """
        self._renderer.source_of(*key)
        async with self._db.tenant(tenant) as connection:
            await self._shelf.lock(connection, tenant, key)
            if version is not None:
                await self._one(connection, tenant, key, version)
            await self._put_to_use(connection, tenant, key, version, person)

    async def _put_to_use(
        self,
        connection: AsyncConnection,
        tenant: str,
        key: TextKey,
        version: int | None,
        person: str,
    ) -> None:
        uses = await self._shelf.uses(connection, tenant, key)
        if version != (uses[0].version if uses else None):
            await self._shelf.use(connection, tenant, key, version, person=person)

    async def diff(self, tenant: str, key: TextKey, before: int, after: int) -> str:
        """What a version changes, as a unified diff; version 0 is the built-in text.

        Raises:
            NoSuchTextError: no such family or language.
            NoSuchVersionError: never written.
        """
        sources = {0: self._renderer.source_of(*key)}
        async with self._db.tenant(tenant) as connection:
            for found in await self._shelf.versions(connection, tenant, key):
                sources[found.text.version] = found.text.source
        for version in (before, after):
            if version not in sources:
                raise NoSuchVersionError(version)
        name = "/".join(key)
        lines = difflib.unified_diff(
            sources[before].splitlines(keepends=True),
            sources[after].splitlines(keepends=True),
            fromfile=f"{name} version {before}",
            tofile=f"{name} version {after}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    async def look(self, tenant: str, look: Look) -> Rendered:
        """The message as somebody would get it.

        Raises:
            TemplateError: it cannot be written.
            NoSuchVersionError: never written.
            NoSuchNoticeError: no such notice, or not on that channel.
            DebtorErasedError: the notice's debtor was erased.
            LedgerUnavailableError: the ledger has the debtor's key and does not answer.
            TrialBusyError: others look at too much.
        """
        return await self.write(await self.request(tenant, look))

    async def write(self, request: RenderRequest) -> Rendered:
        """The message of a look, under the limits of drafts whatever its text.

        Raises:
            TemplateError: it cannot be written, or takes too much.
            TrialBusyError: others look at too much.
        """
        return await self._trial.render(request)

    async def request(self, tenant: str, look: Look) -> RenderRequest:
        """What to render for a look; raises as `look` does."""
        self._renderer.source_of(look.family, look.language)
        own = await self._own(tenant, look)
        if look.notice_id is not None:
            return await self._real(tenant, look, look.notice_id, own)
        return sample_request(
            look.family,
            look.channel,
            look.language,
            invoices=look.invoices,
            charges=look.charges,
            own=own,
            kind=look.kind,
            place=look.place,
        )

    async def _own(self, tenant: str, look: Look) -> dict[TextKey, OwnText]:
        key = (look.family, look.language)
        if look.draft is not None:
            text = OwnText(family=key[0], language=key[1], version=0, source=look.draft)
            return {key: text}
        async with self._db.tenant(tenant) as connection:
            if look.version is not None:
                return {key: (await self._one(connection, tenant, key, look.version)).text}
            found = await self._shelf.in_use(connection, {(tenant, look.family)})
        return dict(found.get(tenant, {}))

    async def _real(
        self, tenant: str, look: Look, notice_id: UUID, own: dict[TextKey, OwnText]
    ) -> RenderRequest:
        """A notice's message in another dress: the asked-for family and language, real facts."""
        assert look.notice_id is not None
        async with self._db.tenant(tenant) as connection:
            found = await self._notices.real_notice(connection, tenant, look.notice_id)
        if found is None:
            raise NoSuchNoticeError(str(look.notice_id))
        messages = found.notice.messages
        message = next((m for m in messages if m.channel == look.channel), messages[0])
        contacts = await self._contacts(tenant, found)
        return RenderRequest(
            channel=look.channel,
            template=look.family,
            language=look.language,
            notice=found.notice,
            message=message.model_copy(update={"channel": look.channel}),
            tenant=found.tenant,
            contacts=contacts,
            message_id=notice_id,
            own=own,
        )

    async def _contacts(self, tenant: str, found: RealNotice) -> Contacts:
        debtor = (tenant, found.notice.debtor_id)
        key = (await self._ledger.keys({debtor})).get(debtor)
        if key is None or found.ciphertext is None:
            raise DebtorErasedError(found.notice.debtor_id)
        try:
            return open_contacts(
                key, found.ciphertext, tenant=tenant, debtor_id=found.notice.debtor_id
            )
        except VaultError as error:
            raise DebtorErasedError(found.notice.debtor_id) from error

    async def _one(
        self, connection: AsyncConnection, tenant: str, key: TextKey, version: int
    ) -> TemplateVersion:
        for found in await self._shelf.versions(connection, tenant, key):
            if found.text.version == version:
                return found
        raise NoSuchVersionError(version)
