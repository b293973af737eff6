"""The integrations, run as far as a machine without their services can."""
