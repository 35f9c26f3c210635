"""The rules of pull requests (rule 7): what is shipped, watched, mended, asked; what a merge changes."""
