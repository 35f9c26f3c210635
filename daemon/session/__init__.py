"""The runs of an agent for one task: followed, resumed, handed over, asked, parked (rules 5.6, 6.9, 8.3).

Imports agents, workspace, logs, process and core.
"""
