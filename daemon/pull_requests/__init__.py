"""From finished steps to a pull request, and what is done about it afterwards (rule 7)."""
