"""The operator's rules, written in the Common Expression Language (CEL)."""
