"""A record that was made by an earlier version opens: what it has applied is never changed, be it in a comment."""

from __future__ import annotations

from ledger.migrate import shipped

APPLIED = {
    "0001_record": "5f4f35da6c811640",
    "0002_labels": "6a0a18eb6f75e995",
    "0003_shepherd": "993c36dfac4d9a01",
    "0004_agents": "3527336e2071451c",
    "0005_retention": "654670f7bfcd7e1d",
    "0006_notices": "36877938a2c32cef",
    "0007_secrets": "f157d46b02d426dc",
    "0008_outcomes": "8f26ce1bc5461a67",
    "0009_lost": "c140b3bf4dc6f252",
    "0010_costs": "a33cb26ece9a5174",
    "0011_fallbacks": "82924936c3ca686f",
    "0012_budget": "0aa10d9b13e25718",
    "0013_log_times": "f6a36a887e9b615a",
    "0014_live_usage": "50e10ff7e80100c4",
    "0015_conflict_radar": "ae171d3c4a2bda32",
    "0016_day_budgets": "672b9be3492c589d",
    "0017_held_up": "b468c403dd76a9cd",
    "0018_notice_channels": "f3dcfeed69049903",
    "0019_tried_again": "227335cf0bc92734",
}
"""The beginning of each migration's checksum. A new one gets its line here; a line is never changed."""


def test_no_migration_is_changed_once_it_may_have_been_applied() -> None:
    assert {migration.name: migration.checksum[:16] for migration in shipped()} == APPLIED
