"""The built-in rules, grouped into files by where people meet them."""
