"""``earlystop watch``: a local server that shows live runs and where criteria would stop them."""
