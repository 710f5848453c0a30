"""Brings the appliance onto a machine and runs it there."""
