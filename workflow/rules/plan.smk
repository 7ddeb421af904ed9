"""What spares Snakemake doing the same for each of thousands of jobs when it plans them."""

import atexit
import functools
import gc
import inspect

import snakemake.resources
import snakemake.sourcecache

# A plan of ten thousand jobs is millions of objects that stay: looking for garbage among them as often
# as usual takes a tenth of the time of planning.
gc.set_threshold(2_000_000, 20, 20)
atexit.register(gc.freeze)  # and for what the system takes back at once

# The path of a job's script is taken apart three times.
if hasattr(snakemake.sourcecache, "parse_uri"):
    snakemake.sourcecache.parse_uri = functools.cache(snakemake.sourcecache.parse_uri)


def note_signatures(functions):
    """Note in each function what it takes: Snakemake asks that of every job, three times."""
    for function in functions:
        function.__signature__ = inspect.signature(function)


note_signatures(
    [
        snakemake.resources.Resource.evaluate,
        *(
            function
            for function in globals().values()
            if inspect.isfunction(function)
            and "wildcards" in inspect.signature(function).parameters
        ),
    ]
)
