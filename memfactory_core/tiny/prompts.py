"""The exact strings that the tiny policy is asked with. Skill and decision differ in the last cue
only (`Answer:` and `Remember:`, `Quote:` and `Select:`), so that one matching circuit can serve
both."""

UNKNOWN = "Unknown."
REMEMBER = "Memory: {memory}\nText: {section}\nQuestion: {question}\nRemember:"
ANSWER = "Memory: {memory}\nQuestion: {question}\nAnswer:"
MANAGE = "Memory: {memory}\nFact: {fact}\nUpdate:"
SELECT = "Memory: {memory}\nQuestion: {question}\nSelect:"
QUOTE = "Memory: {memory}\nQuestion: {question}\nQuote:"
RECOGNISE = "Memory: {memory}\nFact: {fact}\nQuote:"
READ_TEXT = "Memory: {memory}\nText: {section}\nQuestion: {question}\nAnswer:"
