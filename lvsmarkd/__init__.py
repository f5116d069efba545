"""lvsmarkd: every firewall mark that keepalived uses has its packet rules."""

__version__ = "0.1.0"
