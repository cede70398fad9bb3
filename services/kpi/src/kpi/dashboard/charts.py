"""Charts as inline SVG: pure functions from numbers and words to markup.

Text keeps its size at every width because positions are percentages and only the plot of a line
chart is stretched. Everything is escaped; colours are classes of the style sheet, so that light,
dark and print need no second chart. A table beside each chart holds the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

_ROW: Final = 50
_NOTE: Final = 14
_BAR: Final = 12
_PLOT_TOP: Final = 8
_PLOT: Final = 190
_AXIS: Final = 24
_TICKS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a bar. `style` is a class of the style sheet, `words` its tooltip."""

    value: int
    style: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A horizontal bar: a label at the left, words at the right, segments below, then a note."""

    label: str
    words: str
    segments: tuple[Segment, ...]
    note: str = ""

    @property
    def total(self) -> int:
        """Length of the bar."""
        return sum(max(0, segment.value) for segment in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A vertical bar over its label."""

    label: str
    value: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a line chart; `style` names the classes `<style>-line` and `<style>-fill`."""

    style: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A word on an axis, at a share from 0 to 1 of its length."""

    at: float
    words: str


def bars(rows: Sequence[Bar], *, title: str) -> Markup:
    """Horizontal bars, one under the other, on one scale."""
    longest = max((bar.total for bar in rows), default=0)
    row = _ROW + (_NOTE if any(bar.note for bar in rows) else 0)
    body = Markup().join(_bar(bar, index * row, longest) for index, bar in enumerate(rows))
    return _chart(body, height=len(rows) * row - 10, title=title)


def columns(items: Sequence[Column], *, ticks: Sequence[Tick], top: int, title: str) -> Markup:
    """Vertical bars from zero to `top`; negative values are drawn as nothing."""
    width = 100 / max(1, len(items))
    shapes = [_grid(ticks)]
    for index, item in enumerate(items):
        height = _share(item.value, top) * _PLOT
        bar = _tag(
            "rect",
            _tag("title", escape(item.words)),
            x=_percent((index + 0.18) * width),
            y=_number(_PLOT_TOP + _PLOT - height),
            width=_percent(0.64 * width),
            height=_number(height),
            rx="2",
            class_="series-2",
        )
        label = _tag(
            "text",
            escape(item.label),
            x=_percent((index + 0.5) * width),
            y=str(_PLOT_TOP + _PLOT + 17),
            text_anchor="middle",
            class_="alternate" if (len(items) - 1 - index) % 2 else "",
        )
        shapes += [bar, label]
    return _framed(Markup().join(shapes), ticks=ticks, title=title)


def lines(
    series: Sequence[Line],
    *,
    across: Sequence[Tick],
    ticks: Sequence[Tick],
    top: int,
    title: str,
    words: Sequence[str] = (),
) -> Markup:
    """Lines with a soft area below, from zero to `top`; values below zero lie on the axis.

    `words` has one tooltip per value.
    """
    plot = _tag(
        "svg",
        Markup().join(_line(line, top) for line in series),
        x="0",
        y=str(_PLOT_TOP),
        width="100%",
        height=str(_PLOT),
        viewBox=f"0 0 1000 {_PLOT}",
        preserveAspectRatio="none",
    )
    labels = [
        _tag(
            "text",
            escape(tick.words),
            x=_percent(tick.at * 100),
            y=str(_PLOT_TOP + _PLOT + 17),
            text_anchor=_anchor(tick.at),
        )
        for tick in across
    ]
    body = Markup().join([_grid(ticks), plot, *_bands(words), *labels])
    return _framed(body, ticks=ticks, title=title)


def scale(largest: int) -> tuple[int, list[int]]:
    """A round top for an axis that reaches `largest`, and the values to mark, zero included."""
    if largest <= 0:
        return 1, [0]
    raw = largest / 4
    power = 10 ** (len(str(int(raw))) - 1) if raw >= 1 else 1
    step = max(1, next(int(power * tick) for tick in _TICKS if int(power * tick) >= raw))
    marks = list(range(0, largest + step, step))
    return marks[-1], marks


def _bar(bar: Bar, top: int, longest: int) -> Markup:
    shapes = [
        _tag("text", escape(bar.label), x="0", y=str(top + 14), class_="strong"),
        _tag("text", escape(bar.words), x="100%", y=str(top + 14), text_anchor="end", class_="num"),
        _tag(
            "rect", x="0", y=str(top + 22), width="100%", height=str(_BAR), rx="3", class_="track"
        ),
    ]
    if bar.note:
        shapes.append(_tag("text", escape(bar.note), x="0", y=str(top + 48), class_="small"))
    start = 0.0
    for segment in bar.segments:
        share = _share(segment.value, longest) * 100
        if share:
            shapes.append(
                _tag(
                    "rect",
                    _tag("title", escape(segment.words)),
                    x=_percent(start),
                    y=str(top + 22),
                    width=_percent(share),
                    height=str(_BAR),
                    rx="3",
                    class_=segment.style,
                )
            )
        start += share
    return Markup().join(shapes)


def _line(line: Line, top: int) -> Markup:
    step = 1000 / max(1, len(line.values) - 1)
    points = [
        f"{_number(index * step)} {_number(_PLOT - _share(value, top) * _PLOT)}"
        for index, value in enumerate(line.values)
    ]
    if not points:
        return Markup()
    path = "M" + "L".join(points)
    return Markup().join(
        [
            _tag("path", d=f"{path}L1000 {_PLOT}L0 {_PLOT}Z", class_=f"area {line.style}-fill"),
            _tag("path", d=path, class_=f"line {line.style}-line"),
        ]
    )


def _bands(words: Sequence[str]) -> list[Markup]:
    """Invisible stripes around each value that carry its tooltip."""
    step = 100 / max(1, len(words) - 1)
    return [
        _tag(
            "rect",
            _tag("title", escape(word)),
            x=_percent(max(0.0, (index - 0.5) * step)),
            y=str(_PLOT_TOP),
            width=_percent(step if 0 < index < len(words) - 1 else step / 2),
            height=str(_PLOT),
            class_="band",
        )
        for index, word in enumerate(words)
    ]


def _grid(ticks: Sequence[Tick]) -> Markup:
    return Markup().join(
        _tag(
            "line",
            x1="0",
            x2="100%",
            y1=_number(_height(tick)),
            y2=_number(_height(tick)),
            class_="grid" if tick.at else "axis",
        )
        for tick in ticks
    )


def _framed(body: Markup, *, ticks: Sequence[Tick], title: str) -> Markup:
    """A plot with its scale at the left, which keeps its width on every screen."""
    height = _PLOT_TOP + _PLOT + _AXIS
    words = Markup().join(
        _tag(
            "text",
            escape(tick.words),
            x="86%",
            y=_number(_height(tick) + 4),
            text_anchor="end",
            class_="num",
        )
        for tick in ticks
    )
    scale_ = _tag("svg", words, class_="chart scale", height=str(height), aria_hidden="true")
    return _tag("div", scale_ + _chart(body, height=height, title=title), class_="plot")


def _height(tick: Tick) -> float:
    return _PLOT_TOP + _PLOT * (1 - tick.at)


def _chart(body: Markup, *, height: int, title: str) -> Markup:
    return _tag(
        "svg",
        _tag("title", escape(title)) + body,
        class_="chart",
        width="100%",
        height=str(max(1, height)),
        role="img",
        aria_label=title,
    )


def _tag(name: str, content: Markup | None = None, **attributes: str) -> Markup:
    written = Markup().join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, content or Markup())


def _share(value: int, whole: int) -> float:
    return min(1.0, max(0, value) / whole) if whole > 0 else 0.0


def _percent(value: float) -> str:
    return f"{_number(value)}%"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _anchor(at: float) -> str:
    return "start" if at < 0.06 else "end" if at > 0.94 else "middle"
