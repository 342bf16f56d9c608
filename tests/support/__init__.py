"""What many tests ask for."""
