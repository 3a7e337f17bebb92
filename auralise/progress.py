"""Progress of long work: a bar on a terminal, lines in a file."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Any

from tqdm import tqdm

QUIET = 2.0  # s between lines, at least; work that is done sooner says nothing


class Lines:
    """Like tqdm, with a line at every tenth of the work instead of a bar."""

    def __init__(
        self,
        iterable: Iterable[Any] = (),
        desc: str = "",
        total: float | None = None,
        initial: int = 0,
        unit: str = "it",
        **options: Any,
    ):
        self.iterable, self.desc, self.unit = iterable, desc, unit
        self.total = len(iterable) if total is None and isinstance(iterable, Sized) else total
        self.n = self.initial = initial
        self.options = options
        self.begun = self.told = time.monotonic()
        self.tenth = self._tenth()

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable:
            yield item
            self.update()

    def update(self, n: int = 1) -> None:
        """Count `n` more items as done."""
        self.n += n
        now = time.monotonic()
        if self._tenth() > self.tenth and now - self.told >= QUIET:
            self.told, self.tenth = now, self._tenth()
            text = tqdm.format_meter(
                self.n,
                self.total,
                now - self.begun,
                prefix=self.desc,
                unit=self.unit,
                unit_scale=self.options.get("unit_scale", False),
                unit_divisor=self.options.get("unit_divisor", 1000),
                initial=self.initial,
                bar_format="{desc}: {n_fmt} of {total_fmt} {unit}, {elapsed}, {remaining} left",
            )
            print(text, file=sys.stderr, flush=True)

    def _tenth(self) -> int:
        return int(10 * self.n / self.total) if self.total else 0

    def __enter__(self) -> "Lines":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass


def in_time(seconds: float) -> str:
    """A time in words, to the second below ten minutes.

    Examples
    --------
    >>> in_time(0.2), in_time(61.2), in_time(1210), in_time(7300)
    ('1 s', '1 min 1 s', '20 min', '2 h 2 min')
    """
    if seconds < 600:
        minutes, rest = divmod(max(1, round(seconds)), 60)
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def tracked(
    iterable: Iterable[Any] = (), desc: str = "", total: float | None = None, **options: Any
) -> "tqdm[Any] | Lines":
    """Show how far work on `iterable` has come; arguments as tqdm's.

    A terminal gets tqdm's bar. Anything else gets a line at every tenth of the work, no more
    than one in `QUIET` seconds.
    """
    if options.get("disable") or sys.stderr.isatty():
        return tqdm(iterable, desc, total, **options)
    return Lines(iterable, desc, total, **options)
