"""Tools of the repository: run from its root with `python -m tools.<name>`; not part of the package."""
