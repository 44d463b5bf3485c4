"""What keeps a claim from being measured, as opposed to a figure that disappoints."""


class CannotMeasureError(Exception):
    """Nothing can be measured; the message says why and, where there is one, the remedy."""
