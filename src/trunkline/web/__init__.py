"""The face: what a browser sees."""
