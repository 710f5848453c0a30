"""Keeps what comes out of the containers' edge network on this machine: nothing but answers."""
