"""When and how often: the Prefect flows. Prefect lives in this room alone."""
