"""What every process of ours does at its start and its end: settings, connections, exit codes."""
