"""All of it on one machine: processes started, watched and stopped together."""
