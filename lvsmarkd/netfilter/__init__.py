"""What packets meet: the programs that list it, and what they print."""
