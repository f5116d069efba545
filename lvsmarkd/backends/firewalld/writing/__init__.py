"""From a plan's steps to calls that add and remove rules."""
