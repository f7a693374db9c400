"""Talking with an agent: the Gradio page at /chat/ and the driver behind it, which knows no widget."""
