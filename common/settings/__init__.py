"""Configs: what an option is, the options of every run and of each network, and a recipe to train from scratch.

Belongs here: options that more than one competition has. May import: see `CONTRIBUTING.md`.
"""
