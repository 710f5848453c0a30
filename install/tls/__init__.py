"""TLS of instance and gateway: whose certificates they show, for how long, and whom all believe."""
