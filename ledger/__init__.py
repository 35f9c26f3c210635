"""The record of all directives in Postgres (SPEC 9.1): it remembers, and decides nothing."""
