"""What annotation files hold: ids and flags as programs write them, outlines, and what is odd about them.

Imports `log`.
"""
