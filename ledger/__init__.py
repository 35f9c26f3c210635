"""The record of all directives in Postgres (rule 9.1): it remembers, and decides nothing."""
