"""The look of the chat: colours, typeface and layout as the pages around it."""

from __future__ import annotations

import gradio as gr

STYLE = """
.gradio-container { max-width: 100% !important; padding: 0 !important; }
.gradio-container .main { padding: 2px 4px !important; }
footer { display: none !important; }
#log { padding: 0 10px 0 4px; }
#which .wrap { gap: 4px; }
#how .wrap { flex-wrap: wrap; gap: 4px; }
.gradio-container .mf-table :is(th, td) { border-width: 0 0 1px !important; padding: 3px 10px 3px 0 !important; }
#which label, #how label { padding: 5px 9px; white-space: nowrap; }
.gradio-container input[type=radio]:checked:hover {
  background: var(--radio-circle) var(--checkbox-background-color-selected) !important; }
#top { align-items: end; }
#top #fresh { height: 38px; margin-bottom: 14px; }
#ways { align-items: center; }
"""
TEAL = gr.themes.Color(
    "#edf8f7", "#d3efec", "#a9ded9", "#79c8c1", "#41aca4", "#17958d", "#0c7f79", "#0a6a65",
    "#0b5551", "#0b4643", "#062b29",
)  # fmt: skip
THEME = gr.themes.Base(
    primary_hue=TEAL, neutral_hue="zinc", radius_size="md", text_size="md", spacing_size="md",
    font=["Source Sans", "Source Sans Pro", "ui-sans-serif", "system-ui", "sans-serif"],
).set(
    body_background_fill="#ffffff", body_background_fill_dark="#12181a",
    body_text_color="#1c2628", body_text_color_dark="#e4eaea",
    block_background_fill="#ffffff", block_background_fill_dark="#12181a",
    block_border_color="#dde3e3", block_border_color_dark="#313c3f",
    block_label_text_color="#1c2628", block_label_text_color_dark="#e4eaea",
    block_title_text_color="#1c2628", block_title_text_color_dark="#e4eaea",
    body_text_color_subdued="#5a6769", body_text_color_subdued_dark="#9db0b2",
    input_placeholder_color="#5f6c6e", input_placeholder_color_dark="#93a6a8",
    input_background_fill="#f4f6f6", input_background_fill_dark="#1b2326",
    button_primary_background_fill="#0c7f79", button_primary_background_fill_dark="#17958d",
    button_primary_text_color="#ffffff", button_primary_text_color_dark="#ffffff",
    button_secondary_background_fill="#eef1f1", button_secondary_background_fill_dark="#222c2f",
    button_secondary_text_color="#1c2628", button_secondary_text_color_dark="#e4eaea",
    checkbox_label_background_fill="#f4f6f6", checkbox_label_background_fill_dark="#1b2326",
    checkbox_border_color="#7a8a8b", checkbox_border_color_dark="#7a8a8b",
    checkbox_background_color_selected="#0c7f79", checkbox_background_color_selected_dark="#17958d",
    checkbox_border_color_selected="#0c7f79", checkbox_border_color_selected_dark="#17958d",
    slider_color="#0c7f79", slider_color_dark="#17958d",
)  # fmt: skip
