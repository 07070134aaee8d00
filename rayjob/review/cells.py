"""Text that survives a spreadsheet: formulas defused and restored, control characters shown, long texts cut visibly."""

from __future__ import annotations

import re
import unicodedata

#: Excel's limit is 32,767 characters a cell; a longer CSV cell spills into the next row there. The notice needs room.
MOST_CHARS = 32_000
#: What a spreadsheet takes for a formula, also in full width, and the apostrophe that we put before it.
_FORMULA = "=+-@\t\r\n＝＋－＠"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]|[\ud800-\udfff]")


def defuse(text: str) -> str:
    """The text with an apostrophe before what a spreadsheet would execute (and before an apostrophe of its own)."""
    return "'" + text if text[:1] and text[0] in _FORMULA + "'" else text


def restore(cell: str) -> str:
    """What `defuse` was given; text nobody defused stays as it is."""
    return cell[1:] if len(cell) > 1 and cell[0] == "'" and cell[1] in _FORMULA + "'" else cell


def show_text(text: str, limit: int = MOST_CHARS) -> str:
    """Text for a reader's cell: line ends as \\n, control characters as their pictures, cut visibly past `limit`."""
    shown = _CONTROL.sub(_picture, text.replace("\r\n", "\n").replace("\r", "\n"))
    if _cell_length(shown) <= limit:
        return shown
    while _cell_length(shown) > limit:
        shown = shown[: len(shown) - max(1, (_cell_length(shown) - limit) // 2)]
    return f"{shown}\n[… cut here: {len(text) - len(shown):,} more characters in the run]"


def _cell_length(text: str) -> int:
    """Length as Excel counts it, in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 0x7F:
        return "␡"
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def same_text(left: str, right: str) -> bool:
    """Whether two cells say the same: line ends, outer blanks and Unicode composition aside."""
    return normal_text(left) == normal_text(right)


def normal_text(cell: str) -> str:
    """A cell as it is compared: NFC, \\n line ends, no outer blanks."""
    return unicodedata.normalize("NFC", cell).replace("\r\n", "\n").replace("\r", "\n").replace("_x000D_", "").strip()
