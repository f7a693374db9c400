"""The typeface of the pages, from Streamlit's own files, for what stands outside of them."""

from __future__ import annotations

from pathlib import Path

import streamlit


def font_address() -> str:
    """Where the server has the typeface; "" where Streamlit comes without it."""
    folder = Path(streamlit.__file__).parent / "static" / "static" / "media"
    found = sorted(folder.glob("SourceSansVF-Upright*.woff2"))
    return f"/static/media/{found[0].name}" if found else ""


def font_face() -> str:
    """The style that declares the typeface."""
    source = font_address()
    if not source:
        return ""
    return (
        "@font-face { font-family: 'Source Sans'; font-weight: 200 900; "
        f"src: url({source}) format('woff2'); }}\n"
    )
