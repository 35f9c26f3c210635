"""Fixtures that all tests share: the real servers, started once a session."""

pytest_plugins = ["tests.fixtures_stack"]
