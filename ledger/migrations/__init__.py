"""The road to `ledger/schema.sql`: plain SQL files, applied once each, in the order of their names."""
