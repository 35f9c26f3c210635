"""The rules of pull requests (SPEC 7): what is shipped, watched, mended, asked; what a merge changes."""
