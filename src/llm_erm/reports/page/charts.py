"""Places the lines, marks and labels of a chart; the template of the page draws them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 46
NAMED, CHARACTER = 28, 8.4
"""Width of an ordinate's label, and of a digit of its ticks, in the larger letters of a phone."""
STYLES = 8
"""How many colours and marks there are; then they repeat with other dashes."""
MOST_TICKS = 7
LEAST_APART = 26
"""Distance of labels below the abscissa, at least."""
MOST_MARKS = 30
"""Points of a line that get marks; those of longer lines would touch."""
ASIDE = 4.0
"""Distance between the marks of neighbouring lines, which would hide each other at one place."""
MOST_ASIDE = 24.0
"""The same between those of the first and the last line."""
MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "M-3.5-3.5h7v7h-7z",
    "M0-4.6L4.4 3.4H-4.4z",
    "M0-5L4.4 0L0 5L-4.4 0z",
    "M0 4.6L4.4-3.4H-4.4z",
    "M-1.4-4.4h2.8v3h3v2.8h-3v3h-2.8v-3h-3v-2.8h3z",
    "M-5-1.8H5v3.6H-5z",
    "M-1.8-5H1.8V5H-1.8z",
)
"""The shapes of the marks, around their places."""


@dataclass(frozen=True)
class Point:
    """A point of a line; ``low`` and ``high`` are the ends of its interval, if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: What it is.
        points: Its points.
        style: Index of its colour, mark and dashes.
        marks: Whether each point has a mark.
    """

    name: str
    points: tuple[Point, ...]
    style: int = 0
    marks: bool = True

    @property
    def look(self) -> str:
        """Its classes: the colour and the dashes."""
        return f"s{self.style % STYLES} d{self.style // STYLES % 3}"

    @property
    def mark(self) -> str:
        """The shape of the mark of its points."""
        return MARKS[self.style % STYLES]


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows.
        x_label: What the abscissa is, with its unit.
        y_label: What the ordinate is, with its unit.
        lines: Its lines.
        log_x: Whether the abscissa is logarithmic.
        log_y: Whether the ordinate is.
        shares: Whether the ordinate is a share, drawn from 0 to 100 %.
        chance: The share that guessing gets right; None if there is none to show.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    log_x: bool = False
    log_y: bool = False
    shares: bool = True
    chance: float | None = None

    @property
    def width(self) -> int:
        """Its width in the units of its points."""
        return WIDTH

    @property
    def height(self) -> int:
        """Its height."""
        return HEIGHT

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The left, right, upper and lower edge of the axes."""
        return self._left, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM

    @property
    def x_ticks(self) -> tuple[Tick, ...]:
        """The places labelled on the abscissa."""
        values = sorted({point.x for line in self.lines for point in line.points})
        chosen = values if len(values) <= MOST_TICKS else ticks(values[0], values[-1], self.log_x)
        placed: list[Tick] = []
        for value in chosen:
            if not placed or self.x(value) - placed[-1].at >= LEAST_APART:
                placed.append(Tick(self.x(value), number(value)))
        return tuple(placed)

    @property
    def y_ticks(self) -> tuple[Tick, ...]:
        """The places labelled on the ordinate."""
        if self.shares:
            return tuple(Tick(self.y(i / 4), f"{25 * i}%") for i in range(5))
        low, high = self._y_range
        return tuple(Tick(self.y(v), number(v)) for v in ticks(low, high, self.log_y))

    def aside(self, line: Line) -> float:
        """Returns how far a line with marks is drawn beside its place."""
        step = min(ASIDE, MOST_ASIDE / len(self.lines)) if line.marks else 0.0
        return round(step * (self.lines.index(line) - (len(self.lines) - 1) / 2), 1)

    def x(self, value: float) -> float:
        """Returns where a value lies on the abscissa."""
        low, high = self._x_range
        left = self._left
        return round(left + (WIDTH - left - RIGHT) * _share(value, low, high, self.log_x), 1)

    def y(self, value: float) -> float:
        """Returns where a value lies on the ordinate."""
        low, high = self._y_range
        share = _share(value, low, high, self.log_y)
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    def path(self, line: Line) -> str:
        """Returns the points of a line as SVG has them."""
        aside = self.aside(line)
        return " ".join(f"{self.x(point.x) + aside:g},{self.y(point.y)}" for point in line.points)

    def told(self, value: float) -> str:
        """Returns a value of the ordinate in words."""
        return f"{100 * value:.1f}%" if self.shares else f"{value:,.15g}"

    @property
    def _left(self) -> int:
        """Where the ordinate is: right of its label and its widest tick, on a phone too."""
        return max(LEFT, NAMED + math.ceil(CHARACTER * max(len(t.label) for t in self.y_ticks)))

    @property
    def _x_range(self) -> tuple[float, float]:
        values = [point.x for line in self.lines for point in line.points]
        return _padded(min(values), max(values), self.log_x)

    @property
    def _y_range(self) -> tuple[float, float]:
        if self.shares:
            return -0.03, 1.03
        values = [point.y for line in self.lines for point in line.points]
        return _padded(min(values) if self.log_y else 0.0, max(values), self.log_y)


def ticks(low: float, high: float, log: bool) -> list[float]:
    """Returns round values within a range: powers of ten, or steps of 1, 2 or 5 of one of them."""
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        if last > first:
            step = math.ceil((last - first + 1) / MOST_TICKS)
            return [10.0**power for power in range(first, last + 1, step)]
    span = high - low or 1.0
    rough = span / (MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    start = math.ceil(low / width - 1e-9)
    return [i * width for i in range(start, math.floor(high / width + 1e-9) + 1)]


def number(value: float) -> str:
    """Returns a number as an axis shows it."""
    for size, name in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:,.3g}{name}"
    return f"{round(value, 6):,g}" if value < 1e5 else f"{value:,.0f}"


def _share(value: float, low: float, high: float, log: bool) -> float:
    if log:
        value, low, high = (math.log10(max(one, 1e-12)) for one in (value, low, high))
    return (value - low) / (high - low)


def _padded(low: float, high: float, log: bool) -> tuple[float, float]:
    """Returns a range with some room, which is not empty."""
    if log:
        factor = max((high / low) ** 0.04, 1.1)
        return low / factor, high * factor
    room = (high - low) * 0.04 or max(abs(high), 1.0) * 0.1
    return low - room, high + room


def styled(names: Sequence[str]) -> dict[str, int]:
    """Returns a style for each name, the same wherever the names are the same."""
    return {name: place for place, name in enumerate(sorted(set(names)))}
