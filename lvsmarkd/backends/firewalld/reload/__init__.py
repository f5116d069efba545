"""When firewalld has to be reloaded, what that costs others, and what it did not mend."""
