"""Configurations without end: what keepalived makes of each, and what lvsmarkd reads in it."""
