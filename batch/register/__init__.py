"""The client of Register: what it is asked, and what its answers mean."""
