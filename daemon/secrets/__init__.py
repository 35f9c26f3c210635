"""What looks like a credential in what is to leave this machine. Imports git."""
