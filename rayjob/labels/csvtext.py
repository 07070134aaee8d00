"""What spreadsheets make of a CSV file: its encoding and its separator. Parses nothing."""

from __future__ import annotations

DELIMITERS = ",;\t"


def decode_csv(content: bytes) -> str:
    """The text of a CSV file as spreadsheets save it: UTF-8 with or without a mark, UTF-16, or Windows-1252.

    What is none of them is read as Latin-1: wrong letters, but every byte can be told from them.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if content[1:2] == b"\x00":
        return content.decode("utf-16-le", errors="replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def find_delimiter(text: str) -> str:
    """The separator of the header: Excel writes semicolons where the comma is the decimal point."""
    header = text.partition("\n")[0]
    return max(DELIMITERS, key=header.count)
