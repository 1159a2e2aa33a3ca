"""Nets and classical fills that complete optical flow."""
