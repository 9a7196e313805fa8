"""Sets checked and predicted by a Dask cluster; the only folder that imports Dask, and only once it is asked for.

Imports `output`, `images`, `storage`, `parallel`, `log`, `errors`. `spread.py` has the flags; `client.py` and
`prediction.py` run in the client, `worker.py` in Dask's workers, `child.py` in the process of each that does the
work; `job.py` is what travels between them.
"""
