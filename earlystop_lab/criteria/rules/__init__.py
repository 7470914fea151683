"""The rules, one file a kin, by where people meet them."""
