"""`localize`: find forged regions in anyone's video or image."""
