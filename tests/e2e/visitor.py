"""A debtor with a browser that runs no script: opens a link, follows what it reads, posts forms.

It sends what a browser sends: every field of the form as it was shown, and what was typed over it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx

_TYPED = {"text", "hidden", "date", "email", "tel"}


@dataclass
class Form:
    """A form as it was shown: where it goes, its fields with what stands in them, its choices."""

    action: str
    is_multipart: bool
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, set[str]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    least: dict[str, str] = field(default_factory=dict)
    most: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Reads forms, links and words."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self._select = ""
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "form":
            multipart = given.get("enctype") == "multipart/form-data"
            self.forms.append(Form(given.get("action", ""), multipart))
        elif tag == "select":
            self._select = given["name"]
            self.forms[-1].choices[self._select] = set()
        elif tag == "option":
            self._offer(self._select, given, chosen="selected")
        elif tag == "textarea":
            self._area = given["name"]
            self.forms[-1].fields[self._area] = ""
        elif tag == "input":
            self._input(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1].fields[self._area] += data.lstrip("\n")
        elif data.strip():
            self.words.append(data.strip())

    def _input(self, given: dict[str, str]) -> None:
        kind, name = given.get("type", "text"), given["name"]
        form = self.forms[-1]
        if kind == "file":
            form.files.add(name)
        elif kind == "radio":
            form.choices.setdefault(name, set())
            self._offer(name, given, chosen="checked")
        elif kind in _TYPED:
            form.fields[name] = given.get("value", "")
            form.least[name], form.most[name] = given.get("min", ""), given.get("max", "")
        else:
            raise AssertionError(f"an input of the kind {kind} is not known to this browser")

    def _offer(self, name: str, given: dict[str, str], *, chosen: str) -> None:
        form = self.forms[-1]
        form.choices[name].add(given.get("value", ""))
        if chosen in given:
            form.fields[name] = given.get("value", "")
        elif chosen == "selected":
            form.fields.setdefault(name, given.get("value", ""))


class Visitor:
    """Somebody who looks at the page and answers on it."""

    def __init__(self, url: str) -> None:
        """Args: url is the link of the message."""
        self._client = httpx.Client(follow_redirects=True, timeout=60)
        self.url = url
        self.status = 0
        self.words = ""
        self.links: list[str] = []
        self._forms: list[Form] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._client.close()

    @property
    def form(self) -> Form:
        """The form of the page, of which there is one."""
        assert len(self._forms) == 1, self.words
        return self._forms[0]

    def look(self, part: str = "") -> Self:
        """Open the link, or a part of the page that it links to."""
        if part:
            wanted = [link for link in self.links if link.partition("?")[0].endswith(f"/{part}")]
            assert wanted, f"the page links to no {part}, only to {self.links}"
            return self._see(self._client.get(urljoin(self.url, wanted[0])))
        return self._see(self._client.get(self.url))

    def answer(self, typed: dict[str, str], *, file: tuple[str, bytes, str] | None = None) -> Self:
        """Fill in the form of the page and press its button."""
        form = self.form
        assert typed.keys() <= form.fields.keys() | form.choices.keys()
        for name, value in typed.items():
            assert value in form.choices.get(name, {value}), f"{name}: {value} is no choice"
        files = dict.fromkeys(form.files, file or ("", b"", "application/octet-stream"))
        return self._see(
            self._client.post(
                urljoin(self.url, form.action),
                data=form.fields | typed,
                files=files if form.is_multipart else None,
                headers={"origin": "null", "sec-fetch-site": "same-origin"},
            )
        )

    def _see(self, answer: httpx.Response) -> Self:
        reader = _Reader()
        reader.feed(answer.text)
        reader.close()
        self.status = answer.status_code
        # Spaces that do not break are spaces to whoever reads.
        self.words = " ".join(" ".join(reader.words).split())
        self.links, self._forms = reader.links, reader.forms
        return self
