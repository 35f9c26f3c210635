"""The fake forge: a small GitHub of our own, over real bare repositories, whose every failure can be ordered."""
