"""Marks kept in tables of our own in nf_tables, by maps: a look-up costs the same for 10 flows as
for 10,000.
"""
