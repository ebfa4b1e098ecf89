"""Text from outside, such as names, shown as it is where Streamlit would read Markdown."""


def escaped(text: str) -> str:
    """The text with a backslash before every sign that Markdown or Streamlit gives a meaning."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]<>()#+-.!|$:~" else sign for sign in text)
