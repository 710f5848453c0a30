"""The services as systemd's units: hardened, run by a user of their own, there from boot on."""
