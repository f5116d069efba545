"""Generated tables, written by our messages and by nft, read by both."""
