"""The embedded stack: real Temporal and Postgres, a fake forge, worker and daemon, started and watched as children."""
