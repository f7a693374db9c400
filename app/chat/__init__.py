"""Talking with an agent: the Gradio page at /chat/ (blocks, theme, transcript) and what is behind it (agents, texts as
examples, the exchange).

The files behind it know no widget."""
