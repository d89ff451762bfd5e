"""What things cost."""

PRICES = {"/tea": 3.00, "/coffee": 4.00}


def price_of(path: str) -> str:
    """The price of what `path` names, as the shop shows it."""
    return f"{PRICES[path]:.2f}"
