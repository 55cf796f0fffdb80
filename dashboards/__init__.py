"""Looking only: pandas frames, exports and dashboards over the tables."""
