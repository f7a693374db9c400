"""Questions that what was read does not answer: the right answer is to say so."""

NOT_MENTIONED = (
    "Not mentioned in the conversation", "Not mentioned", "No information available", "Unknown",
)  # fmt: skip
"""Ways of saying that there is no answer; the last is what our answer prompt asks for."""
