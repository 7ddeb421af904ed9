"""One supervised run of a method: limits, resources, and a status whatever happens."""
