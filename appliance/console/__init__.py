"""How the appliance looks to who runs it: pages for people, health and version for programs."""
