"""The embedded stack: a real Temporal server, a real Postgres, worker and daemon, started and watched as children."""
