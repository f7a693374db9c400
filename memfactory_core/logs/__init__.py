"""What other agents did with their memory, read from their logs: one documented format (docs/import-logs.md), spans of
OpenTelemetry, Mem0's history. A log becomes entries, entries become episodes. Everything in it is somebody else's data;
nothing here writes anything."""

from pathlib import Path

EXAMPLE = Path(__file__).parent / "example.jsonl"
"""A log in the documented format, of an assistant that forgets in six ways."""
