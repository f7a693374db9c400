"""The browser lab: one server, Streamlit pages and the Gradio chat. It reads what memfactory_core
writes."""
