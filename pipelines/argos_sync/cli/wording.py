"""Write counts as English text."""


def counted(number: float, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as `1 page` or `2,000 pages`."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
