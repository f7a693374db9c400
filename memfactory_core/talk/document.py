"""Documents: plain text, Markdown and PDF become text that an agent reads in sections."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from memfactory_core.errors import ConfigError

ENDINGS = (".txt", ".md", ".pdf")
MOST_BYTES = 10_000_000
MOST_PAGES = 500
MOST_CHARACTERS = 2_000_000
_BROKEN = re.compile(r"(?<=\w)-\n(?=[a-z])")
_WRAPPED = re.compile(r"(?<![.!?:\n])\n(?=[^\n])")


def read_document(name: str, content: bytes) -> str:
    """The text of a document. ConfigError where it is of no kind that can be read, too large, damaged, locked, or holds
    no text."""
    pages = list(read_pages(name, content))
    return "\n\n".join(pages)


def read_pages(name: str, content: bytes) -> Iterator[str]:
    """The text of a document page by page; a text is one page. Raises as `read_document`."""
    ending = name[name.rfind(".") :].lower()
    if ending not in ENDINGS:
        raise ConfigError(f"{name}: documents are {', '.join(ENDINGS)} files")
    if len(content) > MOST_BYTES:
        raise ConfigError(
            f"{name} has {len(content):,} bytes; {MOST_BYTES:,} are read at most: send a part of it"
        )
    size = 0
    for page in _pdf_pages(name, content) if ending == ".pdf" else [_decode(name, content)]:
        size += len(page.strip())
        if size > MOST_CHARACTERS:
            raise ConfigError(
                f"{name} has more than {MOST_CHARACTERS:,} characters, which are read at most: send a part of it"
            )
        if page.strip():
            yield page.strip()
    if not size:
        scanned = " (a scanned PDF holds pictures of text)" if ending == ".pdf" else ""
        raise ConfigError(f"there is no text in {name}{scanned}")


def _decode(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{name} is not UTF-8 text: save it as UTF-8 and send it again"
        ) from error


def _pdf_pages(name: str, content: bytes) -> Iterator[str]:
    from pypdf import PdfReader

    def tell(error: Exception) -> ConfigError:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        return ConfigError(f"{name} cannot be read as a PDF: {why}")

    try:
        reader: Any = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise ConfigError(f"{name} is locked by a password: save it without one")
        count = len(reader.pages)
    except ConfigError:
        raise
    except Exception as error:  # of a damaged file anything may be raised
        raise tell(error) from error
    if count > MOST_PAGES:
        raise ConfigError(
            f"{name} has {count:,} pages; {MOST_PAGES} are read at most: send a part of it"
        )
    for number in range(count):
        try:
            text = reader.pages[number].extract_text()
        except Exception as error:
            raise tell(error) from error
        # a PDF ends lines where the page ends, not where a sentence does
        yield _WRAPPED.sub(" ", _BROKEN.sub("", text))
