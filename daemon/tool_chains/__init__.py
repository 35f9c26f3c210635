"""The tool chains of this machine for the programs of tasks: found, shown without credentials, their downloads shared.

Imports sandbox.
"""
