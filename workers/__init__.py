"""The workers: decide who, write it down, publish. Celery on prefork; hops 3 and 4 of the path."""
