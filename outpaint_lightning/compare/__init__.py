"""`compare`: runs beside each other on one page.

`runs` reads folders, `config` tells what differs, `groups` joins the seeds of an experiment, `kinds` knows the numbers
of each task; `html` and `svg` write markup, `sections`, `pictures` and `sweeps` what is on the page, `page` the whole.

Nothing is imported here: `compare --help` must answer at once.
"""
