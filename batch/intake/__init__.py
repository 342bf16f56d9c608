"""A file becomes checked rows."""
