"""What a run shows while it goes on, on whatever its streams are: a terminal, a log file, a notebook, a closed pipe.

Nothing here knows images or networks.
"""
