"""What the configs of all networks are made of.

Belongs here: what an option is, and which values it takes. May import: see `CONTRIBUTING.md`.
"""
