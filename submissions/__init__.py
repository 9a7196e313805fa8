"""Submissions: the table of all runs, the predicted CSVs, and a script for those in shards."""
