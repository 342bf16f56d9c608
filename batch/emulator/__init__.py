"""Register's double, on this machine."""
