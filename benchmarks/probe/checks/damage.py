"""(e) A damaged or torn store is refused or cut, never silently wrong.

One run has ended and its process has closed the store; another is suspended and its process was killed with -9. Of
this store a copy is made for each damage: one bit flipped, or one file cut short, at places spread over every file.
A new process opens the copy, looks at both runs without executing anything, opens it again as usual and brings both
to their end. What may be seen of each run:

* an error, at whatever moment: **refused**; a process that dies or hangs has not given wrong data either: **without an
  answer**;
* exactly what the undamaged store shows, and the right end: **right**;
* exactly what an undamaged store has shown at an earlier commit of this run, and the right end: **cut**. A file that
  was cut short may have lost a run altogether, as a torn write can; a flipped bit may not make it vanish without an
  error.

Anything else is **wrong**: other values, a mixture of two moments, another end.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.probe.difference import difference
from benchmarks.probe.effects import exact
from benchmarks.probe.hand import HandDied, HandFailed, load
from benchmarks.probe.promises import Promise, Verdict, broken, held
from benchmarks.probe.stage import Case, Stage
from benchmarks.probe.story import expected
from benchmarks.probe.subject import View

ENDED: Final = "run-1"
SUSPENDED: Final = "run-2"
VALUE: Final = {
    "order": 17,
    "for": "Ada Lovelace, 12 St James's Square",
    "items": [{"name": f"tea no. {number}", "count": number % 7 + 1, "price": number * 1.25} for number in range(24)],
}
"""So much that most of a store is data of runs, and not the system's own."""

ANSWER: Final = "yes, today"
_BLOCK: Final = 16
_LEAST: Final = 4
_TIMEOUT_S: Final = 20.0


class Damage(NamedTuple):
    """One damage to one file.

    Attributes:
        file: Below the store.
        bit: Which one is flipped at the offset; None cuts the file there.
    """

    file: Path
    offset: int
    bit: int | None

    def do(self, store: Path) -> None:
        """Damage a store."""
        with (store / self.file).open("r+b") as file:
            if self.bit is None:
                file.truncate(self.offset)
                return
            file.seek(self.offset)
            (byte,) = file.read(1)
            file.seek(self.offset)
            file.write(bytes([byte ^ 1 << self.bit]))

    def __str__(self) -> str:
        """Say what was done."""
        place = f"byte {self.offset} of {self.file}"
        return f"cut at {place}" if self.bit is None else f"bit {self.bit} flipped in {place}"


def check(stage: Stage) -> Verdict:
    """Damage one copy after the other."""
    original = _make(stage.case("original"))
    earlier = _moments(stage)
    damages = [*_flips(stage, original), *_cuts(stage, original)]
    found: Counter[str] = Counter()
    wrong: list[str] = []
    for number, damage in enumerate(damages):
        case = stage.case(f"damaged-{number}")
        shutil.copytree(original, case.store)
        damage.do(case.store)
        outcome, what = _examine(case, earlier, may_vanish=damage.bit is None)
        found[outcome] += 1
        if outcome == "wrong":
            wrong.append(f"{damage}: {what}")
        case.remove()
    flips = sum(damage.bit is not None for damage in damages)
    tries = f"{flips} flips, {len(damages) - flips} cuts: " + ", ".join(
        f"{found[outcome]} {outcome}"
        for outcome in ("refused", "right", "cut", "without an answer", "wrong")
        if found[outcome] or outcome == "wrong"
    )
    wrong.sort(key=lambda text: "nothing says so" in text)  # other data first
    return broken(Promise.DAMAGE, tries, wrong[0]) if wrong else held(Promise.DAMAGE, tries)


def _make(case: Case) -> Path:
    """Make the store, see that it is right undamaged, and return a copy that nobody touches."""
    with case.hand() as hand:
        hand.call("start", ENDED, VALUE)
        hand.call("resume", ENDED, ANSWER)
    hand = case.hand()
    hand.call("start", SUSPENDED, VALUE)
    hand.kill()
    original = case.root / "original"
    shutil.copytree(case.store, original)
    with case.hand() as hand:
        _, ends = hand.call("examine", [ENDED, SUSPENDED], VALUE, ANSWER)
    assert ends == [expected(VALUE, ANSWER)] * 2, "the undamaged store does not show what it should"
    return original


def _moments(stage: Stage) -> list[View | None]:
    """Return how a run looks after each of its commits, from before its start to its end."""
    case = stage.case("moments")
    copies = case.root / "copies"
    with case.hand(copies=copies) as hand:
        hand.call("start", ENDED, VALUE)
        hand.call("resume", ENDED, ANSWER)
    views: list[View | None] = [None]
    for copy in sorted(copies.iterdir()):
        case = stage.case(f"moment-{copy.name}")
        copy.rename(case.store)
        with case.hand(still=True) as hand:
            view = hand.call("look", ENDED)
        if exact(view) != exact(views[-1]):
            views.append(view)
    return views


def _examine(case: Case, moments: list[View | None], *, may_vanish: bool) -> tuple[str, str]:
    with case.hand() as hand:
        try:
            views, ends = hand.call("examine", [ENDED, SUSPENDED], VALUE, ANSWER, timeout_s=_TIMEOUT_S)
        except HandFailed as error:
            return "refused", str(error)
        except (HandDied, TimeoutError) as error:
            return "without an answer", str(error)
    last = {ENDED: _position(moments, "done"), SUSPENDED: _position(moments, "suspended")}
    outcome = "right"
    for run, view, end in zip((ENDED, SUSPENDED), views, ends, strict=True):
        at = next((at for at, moment in enumerate(moments) if exact(moment) == exact(view)), None)
        if at is None or at > last[run]:
            return "wrong", f"{run}: {difference(view, moments[last[run]])}"
        if view is None and not may_vanish:
            return "wrong", f"{run} is gone, and nothing says so"
        if exact(end) != exact(expected(VALUE, ANSWER)):
            return "wrong", f"{run} ended otherwise: {difference(end, expected(VALUE, ANSWER))}"
        if at < last[run]:
            outcome = "cut"
    return outcome, ""


def _position(moments: list[View | None], status: str) -> int:
    return max(at for at, view in enumerate(moments) if view is not None and view.status == status)


def _files(stage: Stage, store: Path) -> dict[Path, bytes]:
    kind = load(stage.target)
    files = sorted(file for file in store.rglob("*") if file.is_file() and kind.is_data(file))
    return {file.relative_to(store): data for file in files if (data := file.read_bytes())}


def _flips(stage: Stage, store: Path) -> Iterator[Damage]:
    """Yield flips in proportion to what each file holds, some in each; empty space counts for little."""
    chance = random.Random(7)
    places = {file: _written(data) for file, data in _files(stage, store).items()}
    total = sum(len(offsets) for offsets in places.values())
    for file, offsets in places.items():
        count = max(_LEAST, round(stage.scale.flips * len(offsets) / total))
        for offset in sorted(chance.sample(offsets, min(count, len(offsets)))):
            yield Damage(file, offset, chance.randrange(8))


def _cuts(stage: Stage, store: Path) -> Iterator[Damage]:
    chance = random.Random(11)
    files = {file: _written(data) for file, data in _files(stage, store).items()}
    for file, offsets in files.items():
        count = max(2, stage.scale.cuts // len(files))
        inside = chance.sample(offsets, min(count - 1, len(offsets)))
        for offset in sorted({0, *inside}):
            yield Damage(file, offset, None)


def _written(data: bytes) -> list[int]:
    """Return the offsets of a file's bytes, without those of blocks that are all zeros."""
    blocks = range(0, len(data), _BLOCK)
    full = [start for start in blocks if any(data[start : start + _BLOCK])]
    return [offset for start in full for offset in range(start, min(start + _BLOCK, len(data)))]
