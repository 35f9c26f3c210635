"""The embedded stack: a real Temporal server, a real Postgres, a fake forge, worker and daemon, started and watched as children."""
