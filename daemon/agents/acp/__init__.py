"""Agents that speak the Agent Client Protocol: profiles say how they differ, one stream talks to all of them."""
