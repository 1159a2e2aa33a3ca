"""Markup that the pages of `compare` and `localize` share: HTML, SVG, style and script."""
