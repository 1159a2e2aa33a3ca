"""`compare`: runs beside each other on one page.

`runs` reads folders, `config` finds what differs, `groups` joins the seeds of an experiment; `sections`, `pictures` and
`sweeps` write the parts of the page, `page` the whole. What the numbers of each kind of task mean is in `results`.

Nothing is imported here: `compare --help` must answer at once.
"""
