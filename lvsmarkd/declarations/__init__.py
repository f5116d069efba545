"""What the operator states: lvsmarkd.toml and the annotations in keepalived.conf."""
