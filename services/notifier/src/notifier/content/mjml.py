"""Compiles an MJML layout into a page without what no reader of e-mails needs any more.

Every byte of a page is filled in, encoded, hashed, deflated, sealed, stored and sent with each
mail, so it is made light once, when the layout is compiled. What is taken out changes no picture of
the page: it repeats what stands elsewhere, holds anyway, or serves programs that are gone.

What only Outlook reads (`[if mso]`) stays: it lays out with Word, which knows no widest width, so
tables of 600 pixels hold the page together there. Must never know a page's data.
"""

from __future__ import annotations

import re
from pathlib import Path

import mrml

from notifier.content.model import TemplateError

_OF_PICTURES = (
    "border:0;height:auto;line-height:100%;outline:none;text-decoration:none;"
    "-ms-interpolation-mode:bicubic"
)
_FULL_WIDTH = "{width:100% !important;max-width:100%}"
_GONE = (
    # Internet Explorer's choice of engine, and Outlook up to 2003: its columns and its links.
    '<!--[if !mso]><!--><meta http-equiv="X-UA-Compatible" content="IE=edge"><!--<![endif]-->',
    "#outlook a{padding:0}",
    '<style type="text/css">.mj-outlook-group-fix{width:100% !important}</style>',
    "<!--[if lte mso 11]><![endif]-->",
    # One column fills the page without a rule: its own style already says width:100%.
    f".mj-column-per-100{_FULL_WIDTH}",
    '<style type="text/css">@media only screen and (min-width:480px){}</style>',
    '<style media="screen and (min-width:480px)">.moz-text-html </style>',
    ' class="mj-outlook-group-fix mj-column-per-100"',
    # There are no pictures and no VML, and the layout has its own margins of paragraphs.
    f"img{{{_OF_PICTURES}}}",
    "p{display:block;margin:13px 0}",
    "<o:AllowPNG/>",
    ' xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml"',
    ' border="0"',  # no table has one unless it is asked for
)
"""Exactly as MJML's own output says it, once the white space is gone."""

_LINE_ENDS = re.compile(r"(?:(?<=>)|(?<=%\}))\s*\n\s*(?=<|\{%)")
_STYLES = re.compile(r"(<style[^>]*>)([^<]*)")
_AROUND_PARTS = re.compile(r"\s*([{};,>])\s*")
_RULE_ENDS = re.compile(r"\}(?!\}|$)")
_INLINE = re.compile(r'style="[^"]*"')
_HOLDS_ANYWAY = re.compile(
    r'(?<=[";])(?:border:none|cursor:auto|direction:ltr|table-layout:auto|text-transform:none'
    r"|word-spacing:normal);"
)
"""What a tag is like unless a rule says otherwise; the direction is the page's own (`dir`)."""

_SHORTER = (
    (re.compile(r"<!\[endif\]-->\s*<!--\[if mso \| IE\]>"), ""),
    # A colour said twice, for readers that know one of two words for it: all know the second.
    (re.compile(r"background:([^;\"]+);(?=background-color:\1[;\"])"), ""),
    (re.compile(r"(?<=[: ])0px(?=[; \"])"), "0"),
    (re.compile(r";(?=\")"), ""),
    # Lines stay short enough for mail servers, and for whoever reads the source.
    (
        re.compile(r"(?<=[>}])(?=<(?:h[12]|p|table|thead|tr|div|body|style|meta|title)\b|<!--)"),
        "\n",
    ),
)


def compile_mjml(path: Path) -> str:
    """The page of an MJML file, light, its Liquid untouched and its comments left out.

    Raises:
        TemplateError: the MJML is refused; names the line.
    """
    name = "/".join(path.parts[-2:])
    source = path.read_text(encoding="utf-8")
    try:
        output = mrml.to_html(
            source,
            mrml.ParserOptions(include_loader=mrml.noop_loader()),
            mrml.RenderOptions(disable_comments=True),  # of the layout; Outlook's are none
        )
    except OSError as error:
        raise TemplateError(name, "the MJML", str(error)) from error
    if output.warnings:
        warning = output.warnings[0]
        line = source.count("\n", 0, warning.start) + 1
        raise TemplateError(name, f"line {line}", str(warning.kind))
    return light(str(output.content))


def light(page: str) -> str:
    """A page that looks the same and weighs less, its blocks on lines of their own.

    White space counts for nothing where a line ends between tags; elsewhere it is kept.
    """
    page = _STYLES.sub(_without_space, _LINE_ENDS.sub("", page))
    for needless in _GONE:
        page = page.replace(needless, "")
    page = _INLINE.sub(lambda found: _HOLDS_ANYWAY.sub("", found.group()), page)
    for pattern, instead in _SHORTER:
        page = pattern.sub(instead, page)
    return _STYLES.sub(lambda found: found[1] + _RULE_ENDS.sub("}\n", found[2]), page)


def _without_space(found: re.Match[str]) -> str:
    """Style rules without the white space between their parts."""
    rules = _AROUND_PARTS.sub(r"\1", found[2].strip())
    return found[1] + rules.replace(": ", ":").replace(";}", "}")
