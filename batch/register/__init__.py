"""The other side: what Register is asked, what its answers mean, and a model of it."""
