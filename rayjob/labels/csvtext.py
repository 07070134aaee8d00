"""What spreadsheets make of a CSV file: its encoding and its separator. Parses nothing."""

from __future__ import annotations


def decode_csv(content: bytes) -> str:
    """The text of a CSV file as spreadsheets save it: UTF-8 with or without a mark, UTF-16, or Windows-1252."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def find_delimiter(text: str) -> str:
    """The separator of the header: Excel writes semicolons where the comma is the decimal point."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)
