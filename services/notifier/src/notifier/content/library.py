"""Reads the folder of templates: languages, families, countries; refuses it if one is bad.

A language is a folder below `languages/`, a family a file in each of them; nothing here knows their
names. Texts are compiled and checked once, when the library is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from dunning_common.events.dunning import Channel
from notifier.content.annexes import Annex, read_annexes
from notifier.content.countries import OTHER, Countries
from notifier.content.formats import formats_for
from notifier.content.model import OwnText, RenderRequest, TemplateError
from notifier.content.own import OwnScripts
from notifier.content.prose import Block, Spacing
from notifier.content.samples import sample_request
from notifier.content.shape import VALUE, Shape
from notifier.content.standing import STAGES, LeastDays, Stage, Standing
from notifier.content.summary import summarise
from notifier.content.text_table import TextTable
from notifier.content.variables import account_of, gather, sender_of
from notifier.content.wording import COUNTED, NOTES, WORDS, Wording

CHANNELS: tuple[Channel, ...] = get_args(Channel)
FALLBACK_LANGUAGE = "en"

BLOCKS: Mapping[str, tuple[str, ...]] = {
    "email": ("subject", "headline", "preheader", "greeting", "opening", "closing", "sign_off"),
    "sms": ("text",),
    "letter": ("subject", "greeting", "opening", "closing", "sign_off"),
    "registered_letter": ("subject", "greeting", "opening", "closing", "sign_off"),
}
"""The texts that each channel needs."""

_PARENT = {"registered_letter": "letter"}
_SHARED = ("subject", "opening", "closing")
_USED = re.compile(r"\b(phrases|law)\.(\w+)")
_LISTS = re.compile(r"\b(lines|totals)\b")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of texts: its colour, how far it goes, days to pay where the notice has no date."""

    accent: str
    deadline_days: int
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What one family says on one channel in one language.

    `phrases` and `law` name the shared sentences that the blocks use; `lists` says whether a text
    loops over invoices or totals, which are not worked out otherwise.
    """

    name: str
    family: Family
    wording: Wording
    blocks: Mapping[str, Block]
    phrases: frozenset[str]
    law: frozenset[str]
    lists: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All templates, checked."""

    families: Mapping[str, Family]
    wordings: Mapping[str, Wording]
    countries: Countries
    scripts: Mapping[tuple[str, Channel, str], Script]
    annexes: Mapping[str, tuple[Annex, ...]]
    readers: Mapping[str, LanguageReader]
    own: OwnScripts[Script]

    @classmethod
    def load(cls, folder: Path) -> Library:
        """Read and check a folder of templates.

        Raises:
            TemplateError: names the file, the part and the line.
        """
        families = _families(folder)
        names = sorted(path.name for path in (folder / "languages").iterdir() if path.is_dir())
        if FALLBACK_LANGUAGE not in names:
            raise TemplateError("languages", "the folder", f"{FALLBACK_LANGUAGE!r} is missing")
        wordings: dict[str, Wording] = {}
        scripts: dict[tuple[str, Channel, str], Script] = {}
        readers: dict[str, LanguageReader] = {}
        shape = Shape.of({})
        for name in names:
            reader = LanguageReader(folder / "languages" / name, families)
            readers[name] = reader
            wordings[name] = reader.wording
            scripts.update(reader.scripts())
            shape = reader.shape
        return cls(
            families=families,
            wordings=wordings,
            countries=_countries(folder, shape),
            scripts=scripts,
            annexes=read_annexes(folder / "annexes", shape),
            readers=readers,
            own=OwnScripts(readers),
        )

    def find(
        self,
        family: str,
        channel: Channel,
        *languages: str,
        own: Mapping[tuple[str, str], OwnText] | None = None,
    ) -> Script:
        """The script in the first of the languages that exists, else in English.

        In that language the tenant's `own` text goes before the built-in one.

        Raises:
            TemplateError: there is no such family, or the own text is refused.
        """
        for language in (*languages, FALLBACK_LANGUAGE):
            code = base_language(language)
            if own and (text := own.get((family, code))):
                return self.own.find(text, channel)
            script = self.scripts.get((family, channel, code))
            if script is not None:
                return script
        known = ", ".join(self.families)
        raise TemplateError(family, channel, f"no such template; there are {known}")


def base_language(tag: str) -> str:
    """`fr` for `fr`, `fr-CA`, `fr_FR`."""
    return tag.replace("_", "-").split("-")[0].lower()


def _families(folder: Path) -> dict[str, Family]:
    table = TextTable.read(folder / "families.yaml")
    families: dict[str, Family] = {}
    for name in table.names():
        entry = table.table(name)
        if not _NAME.fullmatch(name):
            raise entry.error("a family's name is small letters, digits and _")
        accent, days = entry.text("accent"), entry.number("deadline_days")
        if not re.fullmatch(r"#[0-9a-f]{6}", accent):
            raise entry.error(f"accent is a colour such as #1d4ed8, not {accent!r}")
        stage = next((s for s in STAGES if s == entry.text("stage", "amicable")), None)
        if stage is None:
            raise entry.error(f"stage is one of {', '.join(STAGES)}")
        families[name] = Family(accent=accent, deadline_days=days, stage=stage)
    return families


def _countries(folder: Path, shape: Shape) -> Countries:
    table = TextTable.read(folder / "countries.yaml")
    imprints = table.table("imprints")
    data = Shape("dict", {"sender": shape.fields["sender"], "address": VALUE}, None)
    countries = Countries(
        policies=table.table("policies").texts(),
        windows=table.table("windows").texts(),
        other_window=table.text("other_window"),
        addresses={
            name: tuple(str(line) for line in table.table("addresses").sequence(name))
            for name in table.table("addresses").names()
        },
        without_postcode=frozenset(table.text("without_postcode").split()),
        imprints={
            name: Block(
                imprints.text(name), name=imprints.file, place=name, data=data, spacing=Spacing()
            )
            for name in imprints.names()
        },
        least_days=_least_days(table.table("least_days")),
    )
    if OTHER not in countries.imprints:
        raise imprints.error(f"an imprint named {OTHER!r} is missing")
    for window in {*countries.windows.values(), countries.other_window}:
        if not (folder / "letter" / "windows" / f"{window}.typ").is_file():
            raise table.error(f"letter/windows/{window}.typ is missing")
    return countries


def _least_days(table: TextTable) -> dict[str, LeastDays]:
    return {
        country: LeastDays(
            company=table.table(country).number("company"),
            person=table.table(country).number("person"),
        )
        for country in table.names()
    }


class LanguageReader:
    """Reads one language's folder; later also a tenant's own texts of a family in it."""

    def __init__(self, folder: Path, families: Mapping[str, Family]) -> None:
        self._folder = folder
        self._families = families
        self._table = TextTable.read(folder / "language.yaml")
        bare = self._bare_wording()
        data = sample_shape(bare)
        phrases, law = self._table.table("phrases"), self._table.table("law")
        missing = [name for name in NOTES if not phrases.has(name)]
        if missing:
            raise phrases.error(f"{missing[0]!r} is missing; the layouts print it")
        compiled = {name: self._block(phrases, name, data, bare) for name in phrases.names()}
        laws = {
            country: {
                name: self._block(law.table(country), name, data, bare)
                for name in law.table(country).names()
            }
            for country in law.names()
        }
        for country, sentences in laws.items():
            if OTHER not in laws or set(sentences) != set(laws[OTHER]):
                raise law.error(f"{country} and {OTHER} must have the same sentences")
        self.wording = self._bare_wording(compiled, laws)
        shared = [
            *phrases.texts().values(),
            *(t for c in law.names() for t in law.table(c).texts().values()),
        ]
        self._lists = any(_LISTS.search(text) for text in shared)
        self.shape = Shape(
            "dict",
            {
                **data.fields,
                "phrases": Shape.of(dict.fromkeys(compiled, "")),
                "law": Shape.of(dict.fromkeys(laws[OTHER], "")),
            },
            None,
        )

    def scripts(self) -> dict[tuple[str, Channel, str], Script]:
        """Every family on every channel."""
        found: dict[tuple[str, Channel, str], Script] = {}
        for family in self._families:
            texts = self.family(family, TextTable.read(self._folder / f"{family}.yaml"))
            found.update({(family, *key): script for key, script in texts.items()})
        stray = {path.stem for path in self._folder.glob("*.yaml")} - {*self._families, "language"}
        if stray:
            raise self._table.error(f"{min(stray)}.yaml is not in families.yaml; add it there")
        return found

    def family(self, family: str, table: TextTable) -> dict[tuple[Channel, str], Script]:
        """What a family says on every channel, by channel and language.

        Raises:
            TemplateError: a text is missing, unknown or refused.
        """
        table.only({*_SHARED, *CHANNELS})
        for channel in CHANNELS:
            table.section(channel).only(set(BLOCKS[channel]))
        return {
            (channel, self.wording.code): self._script(table, family, channel)
            for channel in CHANNELS
        }

    def source_of(self, family: str) -> str:
        """The built-in texts of a family, as its file has them."""
        return (self._folder / f"{family}.yaml").read_text(encoding="utf-8")

    def _script(self, table: TextTable, family: str, channel: Channel) -> Script:
        blocks: dict[str, Block] = {}
        used: set[tuple[str, str]] = set()
        lists = self._lists
        for name in BLOCKS[channel]:
            place, source = self._source(table, channel, name)
            used.update(_USED.findall(source))
            lists = lists or bool(_LISTS.search(source))
            blocks[name] = Block(
                source, name=table.file, place=place, data=self.shape, spacing=self.wording.spacing
            )
        return Script(
            name=f"{family}/{channel}/{self.wording.code}",
            family=self._families[family],
            wording=self.wording,
            blocks=blocks,
            phrases=frozenset(name for group, name in used if group == "phrases"),
            law=frozenset(name for group, name in used if group == "law"),
            lists=lists,
        )

    def _source(self, table: TextTable, channel: Channel, name: str) -> tuple[str, str]:
        """A text from the most special place that has it."""
        parents: list[str] = [channel]
        if channel in _PARENT:
            parents.append(_PARENT[channel])
        for parent in parents:
            if table.section(parent).has(name):
                return f"{parent}.{name}", table.section(parent).text(name)
        if table.has(name):
            return name, table.text(name)
        for parent in parents:
            if self._table.section(parent).has(name):
                return f"{parent}.{name}", self._table.section(parent).text(name)
        raise table.error(f"{channel}.{name} is missing; write it here or as {name}")

    def _block(self, table: TextTable, name: str, data: Shape, wording: Wording) -> Block:
        return Block(
            table.text(name),
            name=table.file,
            place=f"{table.place}.{name}",
            data=data,
            spacing=wording.spacing,
        )

    def _bare_wording(
        self,
        phrases: Mapping[str, Block] | None = None,
        law: Mapping[str, Mapping[str, Block]] | None = None,
    ) -> Wording:
        table = self._table
        words, spacing, counted = table.table("words"), table.section("spacing"), {}
        words.exactly(WORDS)
        table.table("counted").exactly(COUNTED)
        locale = table.text("locale")
        try:
            forms = len(formats_for(locale).plural_forms())
        except ValueError as error:
            raise table.error(str(error)) from error
        for name in COUNTED:
            counted[name] = tuple(str(form) for form in table.table("counted").sequence(name))
            if not counted[name] or len(counted[name]) > forms:
                raise table.error(f"counted.{name} has 1 to {forms} forms")
        return Wording(
            code=self._folder.name,
            locale=locale,
            spacing=Spacing(
                before=spacing.text("before", ""),
                after=spacing.text("after", ""),
                words=tuple(str(word) for word in spacing.sequence("words", ())),
            ),
            words=words.texts(),
            counted=counted,
            levels=table.table("levels").texts(),
            due_today=table.text("due_today"),
            other_level=table.text("other_level"),
            phrases=phrases or {},
            law=law or {},
        )


def sample_shape(wording: Wording) -> Shape:
    """What the variables of a message are, learnt from samples that fill every one of them."""
    samples = (
        sample_request("formal_notice", "email", wording.code, invoices=3),
        sample_request("courtesy", "email", wording.code, invoices=1),
        sample_request("final_demand", "email", "de", invoices=3, extras=True),
    )
    return Shape.of(*(_sample_data(request, wording) for request in samples))


def _sample_data(request: RenderRequest, wording: Wording) -> dict[str, object]:
    summary = summarise(request.notice, request.message)
    return gather(
        request,
        summary,
        wording,
        locale=wording.locale,
        deadline_days=8,
        standing=Standing(business=True),
        sender=sender_of(request.tenant, postal="-"),
        account=account_of(request.tenant.bank),
        lists=True,
        others=frozenset(),
    )
