"""Rich rules as firewalld writes them, and which of them are ours."""
