"""What keeps the suites from being run at all, as opposed to a test that fails."""


class CannotRunError(Exception):
    """The suites cannot be run; the message says why and, where there is one, the remedy."""


class UnsafeArchiveError(CannotRunError):
    """An archive holds something that has no business in a source package; nothing of it was written."""
