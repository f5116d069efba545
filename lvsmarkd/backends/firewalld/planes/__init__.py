"""What firewalld has in both planes, and what the kernel has of it."""
